"""What one look at a source decides: K01, K05, K07, K08, K09, K13, K14 of the kinds met in the field."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.cli.options import parse_classes
from tenfold.data import ReadOptions
from tenfold.data.checks import check
from tenfold.data.layout import range_fault
from tenfold.data.load import load, load_blocks
from tenfold.errors import DataError, ResourceError, UsageError
from tenfold.values.dataset import Dataset

PIXELS = np.random.default_rng(1).integers(0, 256, (20, 4, 4), dtype=np.uint8)
LABELS = (np.arange(20) % 10).astype(np.uint8)

pytestmark = pytest.mark.usefixtures("own_cache")


def table(path: Path, names: list[str], columns: np.ndarray) -> Path:
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in columns.tolist())]) + "\n")
    return path


def labelled() -> np.ndarray:
    return np.column_stack([LABELS, PIXELS.reshape(20, -1)])


@pytest.mark.parametrize("names", [("train", "test"), ("training", "testing"), ("Train", "Valid")])
def test_kind01_folders_of_parts_are_no_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for part, name in enumerate(names):
        for digit in range(3):
            (tmp_path / name / str(digit)).mkdir(parents=True)
            Image.fromarray(PIXELS[10 * part + digit]).save(tmp_path / name / str(digit) / "a.png")
    train, test = load(tmp_path), load(tmp_path, "test")
    assert train.class_names == test.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(train.images[:, 0], PIXELS[:3])
    np.testing.assert_array_equal(test.images[:, 0], PIXELS[10:13])


def test_kind01_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"found the parts train, expected a folder test"):
        load(tmp_path, "test")


@pytest.mark.parametrize("largest", [1, 16])
def test_kind05_a_small_range_is_a_loud_finding_with_its_remedy(largest: int) -> None:
    images = (PIXELS[:, None] > 127).astype(np.uint8) * largest
    data = Dataset(images, LABELS.astype(np.int64), np.arange(20), tuple("0123456789"))
    (found,) = (finding for finding in check(data) if finding.name == "pixel-range")
    assert found.severity == "warning" and f"--scale {largest}" in found.message
    assert range_fault(PIXELS[:, None]) is None
    assert range_fault(np.zeros((2, 1, 4, 4), np.uint8)) is None


def test_kind09_emnist_is_turned_upright_with_a_note_in_every_way_of_reading(tmp_path: Path) -> None:
    for name, array in (("images-idx3", PIXELS.transpose(0, 2, 1)), ("labels-idx1", LABELS)):
        content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
        (tmp_path / f"emnist-digits-train-{name}-ubyte").write_bytes(content)
    rows = np.column_stack([LABELS, PIXELS.transpose(0, 2, 1).reshape(20, -1)])
    csv = table(tmp_path / "emnist-digits-train.csv", ["label", *(f"pixel{i}" for i in range(16))], rows)
    np.savez(tmp_path / "emnist.npz", images=PIXELS.transpose(0, 2, 1), labels=LABELS)
    for path in (tmp_path / "emnist-digits-train-images-idx3-ubyte", csv, csv, tmp_path / "emnist.npz"):
        data = load(path)
        np.testing.assert_array_equal(data.images[:, 0], PIXELS)
        assert any("turned upright" in note for note in data.notes)
        for block in load_blocks(path, "test", ReadOptions(), 100):
            np.testing.assert_array_equal(block.data.images[:, 0], PIXELS)


def test_kind13_a_first_line_that_counts_is_a_header(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", [str(i) for i in range(16)], PIXELS.reshape(20, -1))
    with pytest.raises(DataError, match=r"a header: line 1 counts 0\.\.15"):
        load(path, "test", ReadOptions(header=False))
    data = load(path, "test")
    np.testing.assert_array_equal(data.images[:, 0], PIXELS)
    assert data.notes == ("columns '0'..'15' are the pixels",)


@pytest.mark.parametrize("label", ["class", "target", "Digit", "labels"])
@pytest.mark.parametrize(("prefix", "first"), [("pixel_", 0), ("x", 1), ("", 0), ("pixel", 1)])
def test_kind08_usual_names_are_read_with_a_note(tmp_path: Path, label: str, prefix: str, first: int) -> None:
    names = [label, *(f"{prefix}{i + first}" for i in range(16))]
    data = load(table(tmp_path / "t.csv", names, labelled()))
    np.testing.assert_array_equal(data.images[:, 0], PIXELS)
    assert data.labels is not None and data.labels.tolist() == LABELS.tolist()
    assert f"column {label!r} is the label" in data.notes


def test_kind07_an_archive_with_other_prefixes_is_read_by_role(tmp_path: Path) -> None:
    names = ["label", *(f"pixel{i}" for i in range(16))]
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for part, role in enumerate(("train", "test")):
            archive.write(table(tmp_path / "t.csv", names, labelled()[10 * part : 10 * part + 10]), f"mnist_{role}.csv")
    np.testing.assert_array_equal(load(tmp_path / "archive.zip", "test").images[:, 0], PIXELS[10:])


def test_kind14_a_fractional_label_is_refused_by_row(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"label": [1.0, 3.7], **{f"pixel{i}": [0.0, 255.0] for i in range(4)}}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r":2:1\(label\).*3\.7"):
        load(tmp_path / "a.parquet", options=ReadOptions(scale=255))


def test_an_empty_source_is_no_folder() -> None:
    with pytest.raises(DataError, match="an empty name"):
        load("")


def test_odd_arrays_and_columns_are_refused_with_their_place(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        header = str({"descr": "|u1", "fortran_order": False, "shape": (1,) * 66}).replace(")}", "), }").encode()
        archive.writestr("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"\0")
    with pytest.raises(DataError, match="at most 4 dimensions"):
        load(tmp_path / "a.npz", "test")
    for names in (["label", "a,b"], ["label", "image", "image"]):
        parquet.write_table(pa.table([pa.array([1, 2])] * len(names), names=names), tmp_path / "a.parquet")
        with pytest.raises(DataError, match="each column once"):
            load(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"label": [1] * 9000, "pixel0": [1] * 9000}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="--max-input-bytes"):
        load(tmp_path / "b.parquet", options=ReadOptions(max_input_bytes=8000))


def test_a_server_that_cannot_be_reached_is_no_missing_file() -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ResourceError, match="cannot read http:"):
        load("http://127.0.0.1:9/a.csv")


SOURCES = ("csv", "zip", "npz", "idx", "parquet")


def written(folder: Path, source: str, labels: list[Any]) -> Path:
    """PIXELS with these labels in one of the formats that have labels of their own."""
    if source in ("csv", "zip"):
        names = ["label", *(f"pixel{n}" for n in range(16))]
        rows = [names, *([label, *row] for label, row in zip(labels, PIXELS.reshape(20, -1).tolist(), strict=True))]
        text = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
        (folder / "a.csv").write_text(text)
        if source == "zip":
            with zipfile.ZipFile(folder / "a.zip", "w") as archive:
                archive.writestr("train.csv", text)
    elif source == "npz":
        np.savez(folder / "a.npz", X_train=PIXELS, Y_train=np.array(labels))
    elif source == "idx":
        (folder / "a-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4) + PIXELS.tobytes())
        content = struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes(labels)
        (folder / "a-labels-idx1-ubyte").write_bytes(content)
        return folder / "a-images-idx3-ubyte"
    else:
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {f"pixel{n}": column for n, column in enumerate(PIXELS.reshape(20, -1).T)}
        parquet.write_table(pa.table({"label": labels, **columns}), folder / "a.parquet")
    return folder / f"a.{source}"


@pytest.mark.parametrize("source", SOURCES)
def test_kind02_labels_of_other_classes_in_every_source(tmp_path: Path, source: str) -> None:
    letters = [(7 * n) % 13 + 5 for n in range(20)]
    path = written(tmp_path, source, letters)
    with pytest.raises(DataError, match=r"--classes 5\.\.17"):
        load(path)
    named = load(path, options=ReadOptions(class_names=parse_classes("A..Z")))
    assert named.labels is not None and named.labels.tolist() == letters and named.class_names[5] == "F"
    numbers = load(path, options=ReadOptions(class_names=parse_classes("5..17")))
    assert numbers.labels is not None and (numbers.labels + 5).tolist() == letters


@pytest.mark.parametrize("source", SOURCES)
def test_kind02_ten_for_zero_and_counting_from_one_in_every_source(tmp_path: Path, source: str) -> None:
    data = load(written(tmp_path, source, [n % 10 + 1 for n in range(20)]))
    assert data.labels is not None and data.labels.tolist() == [(n % 10 + 1) % 10 for n in range(20)]
    assert data.class_names == tuple("0123456789") and any("10 was read as the digit 0" in note for note in data.notes)
    path = written(tmp_path, source, [n % 5 + 1 for n in range(20)])
    words = load(path, options=ReadOptions(class_names=("a", "b", "c", "d", "e")))
    assert words.labels is not None and words.labels.tolist() == [n % 5 for n in range(20)]
    assert any("label 1 is a" in note for note in words.notes)


@pytest.mark.parametrize("source", [source for source in SOURCES if source != "idx"])
def test_kind02_words_are_classes_in_every_source(tmp_path: Path, source: str) -> None:
    data = load(written(tmp_path, source, [("dog", "cat", "\u72ac")[n % 3] for n in range(20)]))
    assert data.labels is not None and data.class_names == ("cat", "dog", "\u72ac")
    assert data.labels.tolist()[:3] == [1, 0, 2]
    with pytest.raises(DataError, match="dogg"):
        load(
            written(tmp_path, source, ["dogg", *["cat", "dog"] * 9, "cat"]),
            options=ReadOptions(class_names=("cat", "dog")),
        )


@pytest.mark.parametrize("text", ["cat", "a,a", "", "5..5"])
def test_classes_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(UsageError, match="--classes"):
        parse_classes(text)


def test_kind08_columns_of_ids_and_labels_of_any_name(tmp_path: Path) -> None:
    names = ["", *(f"pixel{n}" for n in range(16)), "truth"]
    numbers = np.arange(1000, 1020)  # no pixel may be so large
    path = table(tmp_path / "a.csv", names, np.column_stack([numbers, PIXELS.reshape(20, -1), LABELS]))
    with pytest.raises(DataError, match="--label-column NAME"):
        load(path)
    data = load(path, options=ReadOptions(label_column="truth"))
    np.testing.assert_array_equal(data.images[:, 0], PIXELS)
    assert data.labels is not None and data.labels.tolist() == LABELS.tolist()
    with pytest.raises(DataError, match="--label-column; the first columns are"):
        load(path, options=ReadOptions(label_column="trut"))


def test_kind07_downloads_of_mnist_and_kind18_qmnist(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    for spelling in ("train-images-idx3-ubyte", "train-images.idx3-ubyte"):
        labels = spelling.replace("images", "labels").replace("idx3", "idx1")
        for name, content in (
            (spelling, struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4) + PIXELS.tobytes()),
            (labels, struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes(LABELS.tolist())),
        ):
            place = folder / name / name if "-idx" in name else folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    data = load(tmp_path)
    assert data.labels is not None and data.labels.tolist() == LABELS.tolist()
    columns = np.zeros((20, 8), ">i4")
    columns[:, 0], columns[:, 1:] = LABELS, 77
    qmnist = tmp_path / "qmnist-train-images-idx3-ubyte"
    qmnist.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4) + PIXELS.tobytes())
    beside = tmp_path / "qmnist-train-labels-idx2-int"
    beside.write_bytes(struct.pack(">4B2I", 0, 0, 12, 2, 20, 8) + columns.tobytes())
    data = load(qmnist)
    assert data.labels is not None and data.labels.tolist() == LABELS.tolist() and "QMNIST" in data.notes[0]
    beside.write_bytes(beside.read_bytes()[:-1])
    with pytest.raises(DataError, match="640 bytes for 20 x 8 labels"):
        load(qmnist)
