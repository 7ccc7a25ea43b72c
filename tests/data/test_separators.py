"""Tables with tabs or semicolons between their columns are read like those with commas."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tenfold
from _digits import digits
from tenfold.data import ReadOptions
from tenfold.data.load import load_blocks, load_pieces
from tenfold.errors import DataError

DATA = digits().take(range(120))


def table(separator: str, *, header: bool = True) -> bytes:
    assert DATA.labels is not None
    rows = np.column_stack([DATA.labels, DATA.images.reshape(len(DATA), -1)])
    names = ["label", *(f"pixel{i}" for i in range(64))]
    lines = [separator.join(names)] * header + [separator.join(map(str, row)) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def as_zip(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as made:
        made.writestr("train.csv", content)
    return path.with_suffix(".zip")


def as_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


FORMS: dict[str, Callable[[Path, bytes], Path]] = {
    "csv": as_file,
    "tsv": lambda path, content: as_file(path.with_suffix(".tsv"), content),
    "gz": lambda path, content: as_file(path.with_suffix(".csv.gz"), gzip.compress(content)),
    "zip": as_zip,
}


@pytest.mark.parametrize("separator", ["\t", ";"])
@pytest.mark.parametrize("form", FORMS)
def test_c25_a_table_with_other_separators_is_the_same_table(form: str, separator: str, tmp_path: Path) -> None:
    assert DATA.labels is not None
    path = FORMS[form](tmp_path / "train.csv", table(separator))
    data = tenfold.load(path)
    np.testing.assert_array_equal(data.images, DATA.images)
    np.testing.assert_array_equal(data.labels, DATA.labels)
    assert data.notes[0].startswith("the columns are separated by ")


def test_a_folder_of_such_tables_is_read_by_role(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(table("\t"))
    assert len(tenfold.load(tmp_path)) == len(DATA)


def test_every_piece_of_it_is_read_alike(tmp_path: Path) -> None:
    path = as_file(tmp_path / "a.csv", table(";"))
    pieces = list(load_pieces(path, "train", rows=50))
    assert len(pieces) == 3
    images = [block.data.images for piece in pieces for block in load_blocks(path, "train", piece=piece)]
    np.testing.assert_array_equal(np.concatenate(images), DATA.images)


def test_it_may_lack_a_header(tmp_path: Path) -> None:
    path = as_file(tmp_path / "a.csv", table(";", header=False))
    np.testing.assert_array_equal(tenfold.load(path, "train", ReadOptions(header=False)).images, DATA.images)


def test_decimal_commas_are_points(tmp_path: Path) -> None:
    assert DATA.labels is not None
    lines = [";".join(["label", *(f"pixel{i}" for i in range(64))])]
    for image, label in zip(DATA.images, DATA.labels, strict=True):
        shares = [f"{value / 255:.6f}".replace(".", ",") for value in image.reshape(-1)]
        lines.append(";".join([str(label), *shares]))
    path = as_file(tmp_path / "a.csv", ("\n".join(lines) + "\n").encode())
    np.testing.assert_array_equal(tenfold.load(path, "train", ReadOptions(scale=1)).images, DATA.images)
    with pytest.raises(DataError, match="--scale"):
        tenfold.load(path)


def test_a_fault_is_named_by_its_place(tmp_path: Path) -> None:
    content = table(";").replace(b"\n", b"\nx", 3).replace(b"\nx", b"\n", 2)
    with pytest.raises(DataError, match=r"a\.csv:4:1\(label\): found 'x"):
        tenfold.load(as_file(tmp_path / "a.csv", content))
