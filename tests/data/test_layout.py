"""What one look at a source decides: K01, K05, K07, K08, K09, K13, K14 of the kinds met in the field."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data import ReadOptions
from tenfold.data.checks import check
from tenfold.data.layout import range_fault
from tenfold.data.load import load, load_blocks
from tenfold.errors import DataError, ResourceError
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
