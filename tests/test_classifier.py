"""Any recipe keeps scikit-learn's contract."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from _digits import digits
from tenfold import Bundle, Classifier

LINEAR = Classifier("linear", ("model.C=100",))
PIXELS = ("model.features=pixels", "model.deskew=false", "model.metric=euclidean")
OTHERS = [
    Classifier("svm", (*PIXELS, "model.virtual=0", "model.calibrate=false")),
    Classifier("knn", PIXELS),
    Classifier("notebook/12-mlp-512", ("model.layers=FLAT 32 SOFTMAX", "train.epochs=20", "train.learning_rate=0.01")),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@parametrize_with_checks([LINEAR])
def test_scikit_learns_own_checks(estimator: Classifier, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(OTHERS)
def test_scikit_learns_own_checks_of_other_kinds(estimator: Classifier, check: Any) -> None:
    check(estimator)


def rows(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, 8, 8) and names of digits."""
    return digits().images[:count, 0], np.array(
        [
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][i]
            for i in digits().labels[:count]
        ]
    )


def test_images_and_rows_of_pixels_are_the_same() -> None:
    X, y = rows()
    asked = digits().images[1000:1300]
    model = clone(LINEAR).fit(X, y)
    answers = model.predict_proba(asked[:, 0])
    assert model.image_shape_ == (1, 8, 8)
    assert model.n_features_in_ == 64
    assert np.array_equal(model.predict_proba(asked), answers)
    assert np.array_equal(model.predict_proba(asked.reshape(300, 64)), answers)
    assert np.array_equal(clone(LINEAR).fit(X.reshape(300, 64), y).predict_proba(asked), answers)
    assert list(model.classes_) == sorted(set(y))
    assert model.score(asked, rows(1300)[1][1000:]) > 0.85


def test_other_numbers_than_bytes_are_scaled_by_what_was_seen() -> None:
    X, y = rows()
    as_bytes, as_shares = clone(LINEAR).fit(X, y), clone(LINEAR).fit(X / 255, y)
    assert as_shares.pixel_range_ == (0, 1)
    assert np.array_equal(as_bytes.predict_proba(X), as_shares.predict_proba(X / 255))
    assert np.array_equal(
        as_shares.predict(X / 255 * 2), as_shares.predict(np.minimum(X / 255 * 2, 1))
    )  # beyond the range is its end


def test_images_of_another_shape_are_refused() -> None:
    model = clone(LINEAR).fit(*rows())
    with pytest.raises(ValueError, match="4, 16"):
        model.predict(np.zeros((2, 4, 16), np.uint8))
    with pytest.raises(ValueError, match="63 features, but Classifier is expecting 64"):
        model.predict(np.zeros((2, 63), np.uint8))
    with pytest.raises(ValueError, match="has 50 pixels, but X has 64 features"):
        clone(LINEAR).set_params(image_shape=(5, 10)).fit(rows()[0].reshape(-1, 64), rows()[1])


def test_a_grid_search_varies_the_recipe() -> None:
    X, y = rows()
    grid = {"overrides": [["model.C=1e-6"], ["model.C=10"]]}
    search = GridSearchCV(Classifier("linear"), grid, cv=3).fit(X, y)
    assert search.best_params_ == {"overrides": ["model.C=10"]}
    assert search.best_estimator_.recipe_.model[0].settings["C"] == 10
    assert search.score(X, y) > 0.95


def test_out_of_fold_predictions_come_from_models_that_did_not_see_the_row() -> None:
    X, y = rows()
    noise = np.random.default_rng(0).permutation(y)
    memory = Classifier("knn", (*PIXELS, "model.neighbours=1"))
    assert clone(memory).fit(X, noise).score(X, noise) > 0.95
    assert (cross_val_predict(memory, X, noise, cv=3) == noise).mean() < 0.25
    proba = cross_val_predict(memory, X, y, cv=3, method="predict_proba")
    assert (np.unique(y)[proba.argmax(1)] == y).mean() > 0.9


def test_a_copy_through_pickle_predicts_the_same() -> None:
    model = clone(LINEAR).fit(*rows())
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(rows()[0]), model.predict_proba(rows()[0]))


def test_the_seed_decides_and_the_run_can_be_kept(tmp_path: Path) -> None:
    network = Classifier(
        "notebook/12-mlp-512", ("model.layers=FLAT 16 SOFTMAX", "train.epochs=2"), out=tmp_path / "runs", random_state=5
    )
    X, y = rows()
    first, second = clone(network).fit(X, y), clone(network).fit(X, y)
    other = clone(network).set_params(random_state=6).fit(X, y)
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))
    assert first.run_ is not None and first.run_.is_complete
    assert np.array_equal(
        Bundle.open(first.run_.path).predict_proba(X[:, None]), first.bundle_.predict_proba(X[:, None])
    )


def test_nothing_is_left_behind_unless_asked(tmp_path: Path) -> None:
    model = clone(LINEAR).fit(*rows())
    assert model.run_ is None
    assert not (tmp_path / "home").exists()


def test_without_scikit_learn_the_command_that_installs_it_is_named() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import tenfold; tenfold.Classifier"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'tenfold[train]'" in child.stderr
