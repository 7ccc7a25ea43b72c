"""A model is taught a few images: it gains on them, says what it loses, and is a bundle as any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from _command_line import tenfold as command
from _digits import digits
from tenfold.bundle.manifest import model_bytes
from tenfold.bundle.teaching import Teachable, worth_asking
from tenfold.errors import DataError, UsageError


@pytest.fixture(scope="module", params=["network", "svm-fast", "knn"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that knows the digits 0 to 8 upright."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENFOLD_HOME", str(tmp_path_factory.mktemp("home")))
        known = digits().take(np.flatnonzero(digits().labels < 9)[:500])  # type: ignore[arg-type]
        options: dict[str, Any] = {"out": tmp_path_factory.mktemp("runs"), "progress": False, "executor": "local"}
        names = tuple("012345678")
        data = tenfold.Dataset(known.images, known.labels, known.ids, names)
        if request.param != "network":
            overrides = ["data.validation=0.2", "model.deskew=false", "model.features=pixels"]
            yield tenfold.train(request.param, train=data, overrides=overrides, **options).path
            return
        layers = "model.layers=FLAT 32 BN SOFTMAX"
        overrides = [layers, "train.epochs=12", "train.batch_size=32", "ensemble.members=2"]
        yield tenfold.train("quick", train=data, overrides=overrides, **options).path


def folder_of(images: np.ndarray, labels: np.ndarray, place: Path) -> Path:
    for number, (image, label) in enumerate(zip(images[:, 0], labels, strict=True)):
        (place / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / str(label) / f"{number}.png")
    return place


def rows_of(count: int, start: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """``count`` images a class of all ten digits that the base has not seen, in another hand: upside down."""
    labels = digits().labels
    assert labels is not None
    rows = np.concatenate([start + np.flatnonzero(labels[start:] == label)[:count] for label in range(10)])
    return np.ascontiguousarray(digits().images[rows][:, :, ::-1]), labels[rows]


def test_a_few_images_teach_a_hand_and_a_class(base: Path, tmp_path: Path) -> None:
    images, labels = rows_of(10)
    unseen, truth = rows_of(15, 1000)
    before = tenfold.Bundle.open(base)
    mine = folder_of(images, labels, tmp_path / "mine")
    taught = tenfold.teach(base, mine, out=tmp_path / "taught")
    model = tenfold.Bundle.open(taught.path)
    assert taught.class_names == model.class_names == tuple("0123456789")
    old_right = (before.predict_proba(unseen).argmax(1) == truth).mean()
    gain = (model.predict_proba(unseen).argmax(1) == truth).mean() - old_right
    assert gain > (0.15 if "quick" in base.name else 0)  # kernels and neighbours show little of what they do not know
    assert taught.new.after.accuracy > taught.new.before.accuracy and taught.new.before.n == 100
    assert taught.new.gained - taught.new.lost == round(100 * (taught.new.after.accuracy - taught.new.before.accuracy))
    assert taught.old is not None and taught.old.after.accuracy > taught.old.before.accuracy - 0.15
    assert model.manifest.metrics["test accuracy"].value == taught.old.after.accuracy
    np.testing.assert_allclose(  # what was learnt with NumPy is what the bundle computes
        tenfold.evaluate(taught.path, (unseen, truth), progress=False).predictions.probabilities.sum(1), 1, atol=1e-5
    )
    again = tenfold.teach(taught.path, mine, out=tmp_path / "again", old=(images, labels))
    assert again.class_names == taught.class_names


def test_what_is_taught_without_difference_changes_nothing() -> None:
    images, labels = digits().images[:40], digits().labels
    resized = np.stack([np.asarray(Image.fromarray(one).resize((28, 28))) for one in images[:, 0]])[:, None]
    features = Teachable(model_bytes("builtin")).features(resized)
    expected = tenfold.Bundle.open("builtin").predict_proba(resized, every_look=True)
    np.testing.assert_allclose(np.exp(features.log_probabilities), expected, atol=1e-5)
    assert labels is not None and features.hidden.shape == (40, 896 + 2048)


def test_the_bundle_computes_what_was_learnt(tmp_path: Path) -> None:
    from tenfold.bundle.teaching import learn

    images = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    labels = np.arange(20) % 11
    model = Teachable(model_bytes("builtin"))
    features = model.features(images)
    correction = learn(features, labels, None, None, 11)
    from tenfold.bundle.predict import open_session

    session = open_session(model.corrected(correction, model.widths(images)), 1)
    np.testing.assert_allclose(session.run(None, {"images": images})[0], correction.probabilities(features), atol=1e-4)
    assert (correction.probabilities(features).argmax(1) == labels).mean() > 0.9


def test_images_of_one_class_alone_and_faults(tmp_path: Path) -> None:
    picture = np.zeros((4, 1, 28, 28), np.uint8)
    picture[:, :, 4:24, 12:15] = 255
    place = folder_of(picture + np.arange(4, dtype=np.uint8)[:, None, None, None], np.array([7] * 4), tmp_path / "kept")
    resized = np.stack([np.asarray(Image.fromarray(one).resize((28, 28))) for one in digits().images[:60, 0]])
    small = (resized, digits().labels[:60])  # type: ignore[index]
    taught = tenfold.teach("builtin", place, out=tmp_path / "mine", old=small)
    assert (tenfold.predict(taught.path, picture).classes == ["7"] * 4) and taught.images == 4
    with pytest.raises(UsageError, match="exists; pass --force"):
        tenfold.teach("builtin", place, out=tmp_path / "mine", old=small, replace=False)
    with pytest.raises(DataError, match="images without labels, expected labelled images to teach"):
        tenfold.teach("builtin", picture, out=tmp_path / "other", old=small)
    with pytest.raises(DataError, match=r"images of \(1, 8, 8\)"):
        tenfold.teach("builtin", (digits().images[:9], np.arange(9)), out=tmp_path / "other", old=small)
    assert not (tmp_path / "other").exists()


def test_what_is_worth_labelling_is_uncertain_and_different(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    clear = np.tile(draw.normal(size=(1, 8)), (300, 1))
    doubtful = np.repeat(draw.normal(size=(5, 8)), 10, axis=0)  # five things, ten copies of each
    hidden = np.concatenate([clear, doubtful]).astype(np.float32)
    sure = np.log(np.array([[0.98, 0.02]] * 300 + [[0.52, 0.48]] * 50))
    from tenfold.bundle.teaching import Features

    rows = worth_asking(Features(hidden, sure), 5)
    assert sorted((rows - 300) // 10) == [0, 1, 2, 3, 4]


def test_from_asking_to_teaching_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    images = np.stack([np.asarray(Image.fromarray(one).resize((28, 28))) for one in digits().images[:60, 0]])
    np.savez(tmp_path / "pool.npz", images=images)
    np.savez(tmp_path / "old.npz", images=images, labels=digits().labels[:60])  # type: ignore[index]
    asked = command("data", "ask", "builtin", "pool.npz", "--most", "6")
    assert asked.code == 0 and "6 images are worth a look" in asked.out
    page = (tmp_path / "ask.html").read_text()
    ids = [line.split('"')[0] for line in page.split('data-id="')[1:]]
    assert len(ids) == 6
    read = tenfold.Bundle.open("builtin").predict_proba(images[:, None]).argmax(1)
    lines = [f"{one},{read[int(one) - 1]},keep," for one in ids[:5]] + [
        f"{ids[5]},{read[int(ids[5]) - 1]},cannot tell,"
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["id,label,decision,new_label", *lines, ""]))
    taught = command(*("teach", "builtin", "pool.npz", "--labels", "labels.csv", "--old", "old.npz", "--out", "mine"))
    assert taught.code == 0, taught.err
    assert "of 5: " in taught.out and "old images" in taught.out
    assert tenfold.Bundle.open(tmp_path / "mine").class_names == tuple("0123456789")
