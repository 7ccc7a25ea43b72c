"""NumPy archives: the names and shapes in use, and files that lie about themselves."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import ReadOptions
from tenfold.data.load import load
from tenfold.errors import DataError

pytestmark = pytest.mark.usefixtures("own_cache")

PIXELS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
TARGETS = np.array([1, 0, 2])
COLOUR = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)


def write(folder: Path, **arrays: object) -> Path:
    np.savez_compressed(folder / "data.npz", **arrays)
    return folder / "data.npz"


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("x", "y")],
    ids=lambda names: names[0],
)
def test_names_in_use(names, tmp_path):
    dataset = load(write(tmp_path, **{names[0]: PIXELS, names[1]: TARGETS}))
    np.testing.assert_array_equal(dataset.images, PIXELS[:, np.newaxis])
    assert dataset.labels.tolist() == [1, 0, 2]
    assert dataset.ids.tolist() == [1, 2, 3]


def test_each_role_has_its_arrays(tmp_path):
    path = write(tmp_path, x_train=PIXELS, y_train=TARGETS, x_test=PIXELS[:2] + 1, y_test=TARGETS[:2])
    assert load(path).images[0, 0, 0, 0] == 0
    assert load(path, "test").images[0, 0, 0, 0] == 1
    assert load(write(tmp_path, test_images=PIXELS), "test").labels is None


@pytest.mark.parametrize(
    "images", [COLOUR, np.moveaxis(COLOUR, 3, 1), np.asfortranarray(COLOUR)], ids=["NHWC", "NCHW", "columns first"]
)
def test_colour_images_in_either_order(images, tmp_path):
    dataset = load(write(tmp_path, images=images, labels=TARGETS[:, np.newaxis].astype(np.uint8)))
    np.testing.assert_array_equal(dataset.images, np.moveaxis(COLOUR, 3, 1))


def test_flat_images_by_shape(tmp_path):
    path = write(tmp_path, images=PIXELS.reshape(3, 20), labels=TARGETS)
    assert load(path, options=ReadOptions(shape=(1, 4, 5))).image_shape == (1, 4, 5)
    with pytest.raises(DataError, match="give --shape"):
        load(path)
    with pytest.raises(DataError, match=r"expected \(N, 1, 4, 4\), by --shape"):
        load(path, options=ReadOptions(shape=(1, 4, 4)))


def test_scaled_images_when_told(tmp_path):
    path = write(tmp_path, images=PIXELS / 59, labels=TARGETS)
    np.testing.assert_array_equal(
        load(path, options=ReadOptions(scale=1)).images[:, 0], np.floor(255 * (PIXELS / 59) + 0.5).astype(np.uint8)
    )
    with pytest.raises(DataError, match=r"of type float64, expected whole numbers 0\.\.255; give --scale"):
        load(path)
    with pytest.raises(DataError, match=r"with values 0.0..1.0, expected 0..0.5"):
        load(path, options=ReadOptions(scale=0.5))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"pictures": PIXELS}, r"arrays \['pictures'\], expected images under one of the names train_images"),
        ({"images": PIXELS}, "no array 'labels', expected labels to train on"),
        ({"images": PIXELS, "labels": TARGETS[:2]}, r"with shape \(2,\), expected \(3,\)"),
        ({"images": PIXELS, "labels": TARGETS + 9}, "label 10 at index 0, expected 0..9"),
        ({"images": PIXELS, "labels": TARGETS - 1}, "label -1 at index 1"),
        ({"images": PIXELS, "labels": TARGETS / 2}, "of type float64"),
        ({"images": PIXELS.astype(int) * 10, "labels": TARGETS}, r"with values 0..590, expected 0..255"),
        ({"images": PIXELS[:0], "labels": TARGETS[:0]}, "expected at least one image"),
        ({"images": PIXELS, "labels": np.zeros(3, int)}, "only images of class '0'"),
        ({"images": np.array([{}, {}, {}]), "labels": TARGETS}, "with the header .*expected an array of numbers"),
        ({"images": np.array(5, np.uint8), "labels": TARGETS}, r"with shape \(1,\)"),
    ],
)
def test_arrays_that_are_no_images_or_labels(arrays, says, tmp_path):
    with pytest.raises(DataError, match=says):
        load(write(tmp_path, **arrays))


def member(header: str, content: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return magic + len(text).to_bytes(2, "little") + text + content


HONEST = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2), }"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (member(HONEST, bytes(7)), "of 7 bytes|at most|expected 8 bytes"),
        (member(HONEST, bytes(9)), "more than 8 bytes"),
        (member(HONEST.replace("(2,", "(999999999999,"), bytes(8)), "expected 3,999,999,999,996 bytes"),
        (member(HONEST.replace("(2,", "(-2,"), bytes(8)), "with the header"),
        (member(HONEST.replace("|u1", "|O"), bytes(8)), "with the header"),
        (member("{'descr': __import__('os').getcwd()}", bytes(8)), "with the header"),
        (member(HONEST, bytes(8), magic=b"\x93NUMPY\x09\x00"), "header that is not NumPy's"),
        (b"", "header that is not NumPy's"),
        (b"\x80\x04cos\nsystem\n", "header that is not NumPy's"),
    ],
)
def test_files_that_lie_about_themselves(content, says, tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)
    with pytest.raises(DataError, match=says):
        load(path, "test")


def test_a_bomb_stops_at_the_limit(tmp_path):
    path = write(tmp_path, images=np.zeros((100, 100, 100), np.uint8))
    with pytest.raises(DataError, match="at most 100,000 bytes"):
        load(path, "test", ReadOptions(max_input_bytes=100_000))


def test_damaged_archives(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, images=PIXELS, labels=TARGETS)
    content = buffer.getvalue()
    path = tmp_path / "data.npz"
    for damaged in (b"", content[:100], content[:-30], content[:150] + b"\xff" + content[151:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"data\.npz"):
            load(path)
