"""Which reader a path goes to."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest

from tenfold.data import ReadOptions
from tenfold.data.load import format_of, load, named_sources
from tenfold.data.sources import SOURCES
from tenfold.errors import DataError, ResourceError, UsageError

TABLE = b"label,pixel0,pixel1,pixel2,pixel3\n1,2,3,4,5\n0,6,7,8,9\n"
IDX = b"\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01\x07"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("train.csv", b"", "kaggle-csv"),
        ("TRAIN.CSV", TABLE, "kaggle-csv"),
        ("train.csv.gz", gzip.compress(TABLE, mtime=0), "kaggle-csv"),
        ("digit-recognizer.zip", b"PK\3\4", "kaggle-csv"),
        ("table.txt", TABLE, "kaggle-csv"),
        ("train-images-idx3-ubyte", b"", "idx"),
        ("train-images.idx3-ubyte.gz", b"", "idx"),
        ("images", IDX, "idx"),
        ("mnist.npz", b"", "npz"),
    ],
)
def test_files_are_recognised_by_name_and_first_bytes(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert format_of(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "test.csv"], "kaggle-csv"),
        (["test.csv.gz"], "kaggle-csv"),
        (["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"], "idx"),
        (["a.png"], "image-folder"),
    ],
)
def test_folders_are_recognised_by_what_they_hold(names, expected, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert format_of(tmp_path) == expected


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x80\x04.", "a Python pickle"),
        (b"junk", "a file of no known format"),
    ],
)
def test_an_unknown_format_is_named_with_the_known_ones(content, found, tmp_path):
    (tmp_path / "digits.bin").write_bytes(content)
    with pytest.raises(
        DataError, match=f"digits.bin: found {found}.*expected one of the formats idx, .*kaggle-csv, npz"
    ) as caught:
        load(tmp_path / "digits.bin")
    assert "mnist" not in str(caught.value)


def test_a_name_wins_over_a_path_of_that_name(tmp_path, monkeypatch):
    assert "mnist" in named_sources()
    (tmp_path / "mnist").write_bytes(TABLE)
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(SOURCES.get("mnist"), "read", classmethod(lambda cls, *given: asked.append(given)))
    load("mnist", "test")
    assert asked == [(None, "test", ReadOptions())]
    assert len(load("./mnist", cache=False)) == 2


def test_a_name_that_is_too_long_and_one_with_a_nul():
    with pytest.raises(ResourceError, match="File name too long"):
        load("x" * 5000)
    with pytest.raises(DataError, match="no such file"):
        load("a\0b")


def test_unreadable_folders_are_the_machines_fault(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()

    def refuse(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(SOURCES.get("idx"), "recognises", refuse)
    with pytest.raises(ResourceError, match=r"cannot read .*digits: Permission denied"):
        load(tmp_path / "digits")


def test_shapes_that_cannot_be_meant_are_usage_errors():
    for shape in ((1, 28), (0, 28, 28), (1, -28, -28)):
        with pytest.raises(UsageError, match="--shape"):
            ReadOptions(shape=shape)
    with pytest.raises(UsageError, match="class names"):
        ReadOptions(class_names=("a", "a"))


def test_reading_a_table_imports_neither_torch_nor_polars_nor_pandas(tmp_path):
    (tmp_path / "train.csv").write_bytes(TABLE)
    code = (
        "import sys; from tenfold.data.load import load; load(sys.argv[1])\n"
        "print({'torch', 'polars', 'pandas', 'sklearn'} & {*sys.modules})"
    )
    environment = {**os.environ, "TENFOLD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "train.csv")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_ids_count_from_1(tmp_path):
    (tmp_path / "train.csv").write_bytes(TABLE)
    ids = load(tmp_path / "train.csv", cache=False).ids
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 2]
