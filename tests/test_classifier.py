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
from tenfold.values.recipe import FOLDER

LINEAR = Classifier("linear", C=100)
PIXELS = ("model.features=pixels", "model.deskew=false", "model.metric=euclidean")
OTHERS = [
    Classifier("svm", (*PIXELS, "model.virtual=0", "model.calibrate=false")),
    Classifier("knn", PIXELS),
    Classifier("notebook/12-mlp-512", ("model.layers=FLAT 32 SOFTMAX", "train.epochs=20", "train.learning_rate=0.01")),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


def expected_to_fail(estimator: Classifier) -> dict[str, str]:
    """Check -> why it does not hold."""
    return {
        "check_sample_weight_equivalence_on_dense_data": "batches, splits and solvers that stop early depend on the order"
        " of rows; that a weight is a repetition is tested below, in the same order",
        "check_methods_subset_invariance": "ONNX Runtime's float32 sums of another number of images differ in the last bit",
    }


@parametrize_with_checks([LINEAR], expected_failed_checks=expected_to_fail)
def test_scikit_learns_own_checks(estimator: Classifier, check: Any) -> None:
    check(estimator)


SHIPPED = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in sorted(FOLDER.rglob("*.toml"))]


@pytest.mark.slow
@parametrize_with_checks([*OTHERS, *map(Classifier, SHIPPED)], expected_failed_checks=expected_to_fail)
def test_scikit_learns_own_checks_of_every_recipe_as_it_is_shipped(estimator: Classifier, check: Any) -> None:
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


def test_k06_equal_values_give_equal_answers_whatever_their_type() -> None:
    images, y = digits().images[:300, 0].astype(np.float64), rows()[1]
    of_16 = np.rint(images * 16 / 255)
    model = clone(LINEAR).fit(of_16, y)
    assert model.pixel_range_ == (0, 16)
    expected = model.predict_proba(of_16)
    for X in (of_16.astype(np.uint8), of_16.astype(np.float32), of_16[:, None], of_16[..., None]):
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        np.testing.assert_array_equal(clone(LINEAR).fit(X, y).predict_proba(of_16), expected)
    ink = of_16 > 7
    drawn = clone(LINEAR).fit(ink, y)
    for X in (ink.astype(np.uint8), ink.astype(float), ink * 1):
        np.testing.assert_array_equal(drawn.predict_proba(X), drawn.predict_proba(ink))
    with pytest.warns(UserWarning, match=r"largest pixel of X is 255, but Classifier was fitted on 0\.\.16"):
        model.predict(images)
    with pytest.warns(UserWarning, match=r"largest pixel of X is 1, but Classifier was fitted on 0\.\.255"):
        clone(LINEAR).fit(images, y).predict(images / 255)


def test_k06_either_layout_pictures_tensors_and_frames() -> None:
    import pandas
    import torch
    from PIL import Image

    X, y = rows()
    colours = np.stack([X, X // 2, X // 3], axis=3)
    model = clone(LINEAR).fit(colours, y)
    assert model.image_shape_ == (3, 8, 8)
    expected = model.predict_proba(colours)
    for form in (np.moveaxis(colours, 3, 1), [Image.fromarray(one) for one in colours], list(colours)):
        np.testing.assert_array_equal(model.predict_proba(form), expected)
    np.testing.assert_array_equal(model.predict_proba(torch.from_numpy(np.moveaxis(colours, 3, 1).copy())), expected)
    flat = clone(LINEAR).fit(pandas.DataFrame(X.reshape(300, 64)).add_prefix("pixel"), y)
    assert flat.image_shape_ == (1, 8, 8) and flat.feature_names_in_[0] == "pixel0"


def test_small_images_and_few_rows_suit_every_recipe() -> None:
    X, y = rows()
    model = Classifier("quick", members=1, layers="CROP2 8C5S2 BN 16C3V BN FLAT SOFTMAX", epochs=1).fit(X, y)
    assert (model.image_shape_, model.bundle_.image_shape) == ((1, 8, 8), (1, 28, 28))
    assert (model.recipe_.train.batch_size, model.recipe_.train.epochs) == (128, 1)
    lines = Classifier("knn").fit(X.reshape(300, 64)[:, :50], y)
    assert (lines.image_shape_, lines.bundle_.image_shape) == ((1, 1, 50), (1, 28, 28))
    assert "steps" in Classifier("tiny")._for_few_rows(Classifier("tiny")._recipe()).fit


def test_parameters_of_the_recipe_are_parameters() -> None:
    model = Classifier("svm", C=5, random_state=3)
    assert model.get_params(deep=False)["C"] == 5
    assert (model.get_params()["model__gamma"], model.get_params()["train__epochs"]) == (0.006, 10)
    assert clone(model).get_params() == model.get_params()
    assert "C=5" in repr(model)
    changed = clone(model).set_params(model__C=7, epochs=2, ensemble__members=2, validation=0.2)._recipe()
    settings = changed.model[0].settings
    assert (settings["C"], changed.train.epochs, changed.ensemble.members, changed.data.validation) == (7, 2, 2, 0.2)
    many = Classifier("fast", components=40, model__0__layers="FLAT SOFTMAX")._recipe()
    assert [one.settings.get("components") for one in many.model] == [None, None, 40]
    assert many.model[0].settings["layers"] == "FLAT SOFTMAX"
    with pytest.raises(ValueError, match=r"Invalid parameter 'epoch' .* recipe 'svm'; did you mean 'epochs'"):
        model.set_params(epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'neighbours'"):
        Classifier("linear", neighbours=3).fit(*rows())


def test_weights_repeat_rows() -> None:
    X, y = rows()
    weights = np.random.default_rng(0).integers(0, 4, 300)
    expected = clone(LINEAR).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights)).predict_proba(X)
    np.testing.assert_array_equal(clone(LINEAR).fit(X, y, weights).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(LINEAR).fit(X, y, weights * 0.3).predict_proba(X), expected)
    assert np.array_equal(
        clone(LINEAR).fit(X, y, np.full(300, 0.1)).predict_proba(X), clone(LINEAR).fit(X, y).predict_proba(X)
    )
    uneven = LINEAR._rows_by_weight(X.reshape(300, -1), y, np.linspace(0.01, 1, 300))
    assert abs(np.bincount(uneven, minlength=300) / len(uneven) - np.linspace(0.01, 1, 300) / 151.5).max() < 1 / 1200
    mostly = clone(LINEAR).set_params(class_weight={name: 1 if name == "six" else 1e-6 for name in set(y)}).fit(X, y)
    assert set(mostly.classes_) == set(y) and (mostly.predict(X) == "six").mean() > 0.2
    with pytest.raises(ValueError, match="at least one non-zero"):
        clone(LINEAR).fit(X, y, np.zeros(300))


def test_weights_are_routed_and_there_is_no_partial_fit() -> None:
    import sklearn
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    X, y = rows()
    with sklearn.config_context(enable_metadata_routing=True):
        steps = make_pipeline(FunctionTransformer(), clone(LINEAR).set_fit_request(sample_weight=True))
        routed = steps.fit(X.reshape(300, 64), y, sample_weight=np.r_[np.zeros(100), np.ones(200)])
    expected = clone(LINEAR).fit(X[100:].reshape(200, 64), y[100:])
    np.testing.assert_array_equal(routed.predict_proba(X.reshape(300, 64)), expected.predict_proba(X))
    assert not hasattr(LINEAR, "partial_fit")
    with pytest.raises(AttributeError, match="Fit on all of them, or go on from a trained model with: tenfold train"):
        LINEAR.partial_fit(X, y)


def test_a_grid_search_varies_the_recipe() -> None:
    X, y = rows()
    search = GridSearchCV(Classifier("linear"), {"C": [1e-6, 10]}, cv=3).fit(X, y)
    assert search.best_params_ == {"C": 10}
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
    assert "[train]'" in child.stderr
