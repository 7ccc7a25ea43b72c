"""What is in memory is read as a file would be: the same values, the same images, whatever holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold import Dataset, ReadOptions
from tenfold.data.memory import dataset_of
from tenfold.errors import DataError

pytestmark = pytest.mark.usefixtures("own_cache")

GREY = np.random.default_rng(0).integers(0, 256, (12, 6, 6), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3
INK = GREY // 128  # 0 and 1


class Speaks:
    """A stranger's array that knows NumPy's protocol only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


def tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(array.astype(np.float32)).requires_grad_()


@pytest.mark.parametrize(
    "images",
    [
        GREY,
        GREY[:, None],
        GREY[..., None],
        GREY.reshape(12, 36),
        GREY.astype(np.int64),
        GREY.astype(np.float32),
        GREY / 255,
        [Image.fromarray(one) for one in GREY],
        [Image.fromarray(np.dstack([one] * 3)) for one in GREY],
        list(GREY),
        GREY.tolist(),
        GREY.reshape(12, 36).tolist(),
        Speaks(GREY),
        tensor(GREY),
        tensor(GREY / 255),
        np.asfortranarray(GREY),
    ],
    ids=lambda images: f"{type(images).__name__}-{getattr(images, 'dtype', '')}-{getattr(images, 'shape', '')}",
)
def test_grey_images_are_the_same_in_any_form(images: Any) -> None:
    np.testing.assert_array_equal(tenfold.load((images, LABELS)).images, GREY[:, None])


@pytest.mark.parametrize(
    "images",
    [
        COLOUR,
        np.moveaxis(COLOUR, 3, 1),
        COLOUR / 255,
        [Image.fromarray(one) for one in COLOUR],
        tensor(np.moveaxis(COLOUR, 3, 1) / 255),
        np.concatenate([COLOUR, np.full((12, 6, 6, 1), 255, np.uint8)], axis=3),
    ],
    ids=["NHWC", "NCHW", "floats", "pictures", "tensor", "opaque RGBA"],
)
def test_colour_images_are_the_same_in_any_form(images: Any) -> None:
    np.testing.assert_array_equal(tenfold.load((images, LABELS)).images, np.moveaxis(COLOUR, 3, 1))


def test_the_values_decide_and_not_their_type(tmp_path: Path) -> None:
    expected = INK[:, None] * np.uint8(255)
    for one in (INK.astype(bool), INK, INK.astype(np.int32), INK.astype(np.float64)):
        np.testing.assert_array_equal(tenfold.load((one, LABELS)).images, expected)
    for shape in ((12, 6, 6, 1), (12, 1, 6, 6)):
        np.savez(tmp_path / "x.npz", x=GREY.reshape(shape), y=LABELS)
        assert (
            tenfold.load(tmp_path / "x.npz").fingerprint() == tenfold.load((GREY.reshape(shape), LABELS)).fingerprint()
        )


def test_transparent_ink_stands_out_from_its_ground() -> None:
    drawn = np.zeros((1, 6, 6, 4), np.uint8)  # black ink on transparent paper
    drawn[0, 2:4, 2:4, 3] = 255
    for source in (drawn, [Image.fromarray(drawn[0])], drawn / 255, np.moveaxis(drawn, 3, 1)):
        images = dataset_of(source, "test").images
        assert (images[0, :, 2, 2] == 0).all() and (images[0, :, 0, 0] == 255).all()


def frames() -> list[Any]:
    pandas = pytest.importorskip("pandas")
    table = {"label": LABELS} | {f"pixel{n}": GREY.reshape(12, 36)[:, n] for n in range(36)}
    made = [pandas.DataFrame(table), pandas.DataFrame(table).astype(float)]
    for name, build in (("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            module = __import__(name)
        except ImportError:
            continue
        made.append(getattr(module, build)({key: list(map(int, column)) for key, column in table.items()}))
    return made


def test_frames_are_read_by_the_names_of_their_columns() -> None:
    for frame in frames():
        data = tenfold.load(frame)
        np.testing.assert_array_equal(data.images, GREY[:, None])
        assert data.labels is not None and data.labels.tolist() == LABELS.tolist()


def test_a_frame_of_pictures_as_data_set_hubs_have_them(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pictures = [Image.fromarray(one) for one in GREY]
    files = []
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
        files.append({"bytes": (tmp_path / f"{number}.png").read_bytes(), "path": None})
    for column in (pictures, files, list(GREY)):
        data = tenfold.load(pandas.DataFrame({"img": column, "label": [f"class {one}" for one in LABELS]}))
        np.testing.assert_array_equal(data.images, GREY[:, None])
        assert data.class_names == ("class 0", "class 1", "class 2")
    hub = pytest.importorskip("datasets")
    features = hub.Features({"image": hub.Image(), "label": hub.ClassLabel(names=["a", "b", "c"])})
    data = tenfold.load(hub.Dataset.from_dict({"image": pictures, "label": LABELS.tolist()}, features=features))
    np.testing.assert_array_equal(data.images, GREY[:, None])
    assert data.class_names == ("a", "b", "c")


def test_pixels_of_a_frame_and_labels_beside_it() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(GREY.reshape(12, 36))
    data = tenfold.load((frame, pandas.Series(LABELS).map({0: "x", 1: "y", 2: "z"}).astype("category")))
    np.testing.assert_array_equal(data.images, GREY[:, None])
    assert data.class_names == ("x", "y", "z")


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        ([3, 1, 3], [3, 1, 3], tuple("0123456789")),
        (["3", "1", "3"], [3, 1, 3], tuple("0123456789")),
        ([3.0, 1.0, 3.0], [3, 1, 3], tuple("0123456789")),
        ([[3], [1], [3]], [3, 1, 3], tuple("0123456789")),
        ([30, 4, 30], [1, 0, 1], ("4", "30")),
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([True, False, True], [1, 0, 1], ("False", "True")),
    ],
)
def test_labels_of_any_type(labels: Any, numbers: list[int], names: tuple[str, ...]) -> None:
    data = tenfold.load((GREY[:3], labels))
    assert data.labels is not None
    assert (data.labels.tolist(), data.class_names) == (numbers, names)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (GREY, r"found no labels, expected labels to train on: a pair \(images, labels\)"),
        ((GREY, LABELS[:5]), r"the labels: found shape \(5,\), expected \(12,\), one for each image"),
        ((GREY, np.eye(12)), r"of one-hot rows: argmax\(1\)"),
        ((GREY, LABELS / 2), "found 0.5 at row 1"),
        ((GREY, [None, *LABELS[1:]]), "nothing at row 0"),
        ((GREY / 127.5 - 1, LABELS), r"undo the normalisation first: \(x \+ 1\) / 2"),
        ((GREY * 257.0, LABELS), r"pixels up to 6\d+, expected 0..255; give the value that means 255"),
        ((np.where(GREY > 250, np.nan, GREY), LABELS), "pixels that are missing or infinite"),
        ((GREY.reshape(12, 36)[:, :35], LABELS), r"rows of 35 pixels, expected a square number"),
        ((GREY[:, 0, 0], LABELS), r"shape \(12,\)"),
        ((GREY.reshape(12, 2, 3, 2, 3), LABELS), r"shape \(12, 2, 3, 2, 3\)"),
        ((GREY.astype(complex), LABELS), "complex128 pixels, expected numbers"),
        ((GREY[:0], LABELS[:0]), "expected at least one image"),
        (([Image.fromarray(GREY[0]), Image.fromarray(GREY[1][:5])], [0, 1]), "image 1 with 5x6 pixels, expected 6x6"),
        (([], []), "at least one"),
        ((object(), [0]), "found object, which is no array"),
        ((None, [0]), "NoneType"),
        ((GREY, [0] * 12), "only images of class '0'"),
    ],
)
def test_what_is_no_training_set_is_refused_with_the_way_out(source: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        tenfold.load(source)


def test_another_scale_is_named_and_another_range_noted() -> None:
    deep = GREY.astype(np.uint16) * 257
    np.testing.assert_array_equal(tenfold.load((deep, LABELS), options=ReadOptions(scale=65535)).images, GREY[:, None])
    faint = tenfold.load((GREY % 17, LABELS))
    assert any("ReadOptions(scale=16)" in note for note in faint.notes)
    assert "the pixels are 0..1: 1 became 255" in tenfold.load((GREY / 255, LABELS)).notes


def test_a_dataset_is_a_sequence_that_torch_loads() -> None:
    from torch.utils.data import DataLoader

    data = Dataset(GREY[:, None], LABELS, np.arange(12), ("a", "b", "c"))
    image, label = data[-1]
    assert (image.shape, label) == ((1, 6, 6), 2) and image.flags.writeable
    assert [label for _, label in data] == LABELS.tolist()
    assert data[2:5].ids.tolist() == [2, 3, 4] and data[data.labels == 1].ids.tolist() == [1, 4, 7, 10]
    assert data.without_labels()[3].shape == (1, 6, 6)
    with pytest.raises(IndexError):
        data[12]
    batches = list(DataLoader(data, batch_size=5))  # type: ignore[arg-type]
    assert [tuple(images.shape) for images, _ in batches] == [(5, 1, 6, 6), (5, 1, 6, 6), (2, 1, 6, 6)]
    assert [one for _, labels in batches for one in labels.tolist()] == LABELS.tolist()
