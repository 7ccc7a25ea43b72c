"""Every verb takes what is in memory, and answers as it does for the same values in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from _digits import digits
from tenfold.errors import DataError

BUILTIN = tenfold.Bundle.open("builtin")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


def drawn() -> np.ndarray:
    """uint8 (10, 28, 28): ten digits, each enlarged to 24 pixels on a black field."""
    images = np.zeros((10, 28, 28), np.uint8)
    for number, image in enumerate(digits().images[:10, 0]):
        images[number, 2:26, 2:26] = np.asarray(Image.fromarray(image).resize((24, 24), Image.Resampling.BICUBIC))
    return images


FORMS: dict[str, Any] = {
    "uint8": lambda x: x,
    "floats 0..1": lambda x: x / 255,
    "floats 0..255": lambda x: x.astype(np.float32),
    "channels last": lambda x: x[..., None],
    "rows": lambda x: x.reshape(len(x), -1),
    "RGB": lambda x: np.repeat(x[..., None], 3, axis=3),
    "opaque RGBA": lambda x: np.concatenate([np.repeat(x[..., None], 3, axis=3), np.full_like(x, 255)[..., None]], 3),
}


@pytest.mark.parametrize("form", FORMS)
def test_predicting_and_judging_answers_the_same_in_any_form(form: str) -> None:
    images = drawn()
    expected = BUILTIN.predict_proba(images[:, None])
    source = FORMS[form](images)
    np.testing.assert_array_equal(BUILTIN.predict_proba(source), expected)
    (made,) = tenfold.predict("builtin", source).predictions
    np.testing.assert_array_equal(made.probabilities, expected)
    labels = digits().labels[:10]
    judged = tenfold.evaluate("builtin", (source, labels), progress=False)
    assert judged.score.accuracy == (expected.argmax(1) == labels).mean()


def test_pictures_of_other_sizes_are_brought_to_the_models_form(tmp_path: Path) -> None:
    pictures = [Image.fromarray(255 - one).resize((90 + n, 90)) for n, one in enumerate(drawn())]
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    expected = tenfold.predict("builtin", paths).classes
    assert tenfold.predict("builtin", pictures).classes == expected
    assert tenfold.predict("builtin", [np.asarray(picture) / 255 for picture in pictures]).classes == expected
    assert tenfold.predict("builtin", pictures[0]).classes == expected[:1]
    tenfold.predict("builtin", pictures, out=tmp_path / "found.csv", replace=False)
    assert (tmp_path / "found.csv").read_text().count("\n") == 11


def test_reading_takes_pillows_pictures_and_arrays_of_any_type() -> None:
    image = drawn()[3]
    expected = tenfold.read(image).text
    transparent = np.zeros((28, 28, 4), np.uint8)
    transparent[..., 3] = image  # black ink, as strong as it is opaque
    for source in (
        Image.fromarray(image),
        Image.fromarray(transparent),
        transparent,
        transparent / 255,
        image / 255,
        np.repeat(image[..., None], 3, axis=2),
    ):
        assert tenfold.read(source).text == expected
    (found,) = tenfold.read_pictures([Image.fromarray(image)])
    assert (found.name, found.reading.text) == ("picture 0", expected)
    with pytest.raises(DataError, match="undo the normalisation first"):
        tenfold.read(image / 127.5 - 1)


def test_training_on_a_pair_is_training_on_its_file(tmp_path: Path) -> None:
    images, labels = digits().images[:300], digits().labels[:300]
    np.savez(tmp_path / "some.npz", x_train=images, y_train=labels, x_test=images[:50], y_test=labels[:50])
    options: dict[str, Any] = {"out": tmp_path / "runs", "progress": False, "executor": "local"}
    from_file = tenfold.train("linear", train=tmp_path / "some.npz", **options)
    from_memory = tenfold.train("linear", train=(images[:, 0] / 255, labels), **options)
    assert (from_file.path / "bundle/model.onnx").read_bytes() == (from_memory.path / "bundle/model.onnx").read_bytes()
    tested = tenfold.run("linear", train=(images, labels), test=(images[:50, 0] / 255, labels[:50]), **options)
    assert tested.predictions("test").labels is not None
    assert tenfold.check_data((images, labels), quick=True).data.image_shape == (1, 8, 8)
    words = np.array(["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[labels]
    named = tenfold.run("linear", train=(images, words), test=(images[:50], words[:50]), **options)
    assert tenfold.Bundle.open(named.path).class_names == tuple(sorted(set(words)))
