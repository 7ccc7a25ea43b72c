"""What holds for every registered source, whatever it reads."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.load import load, named_sources
from tenfold.data.sources import SOURCES, Source
from tenfold.errors import DataError

NAMES = [pytest.param(name, id=name) for name in SOURCES]
JUNK = {
    "empty": b"",
    "one-byte": b"\x00",
    "random": np.random.default_rng(0).bytes(4096),
    "text": b"Dear all,\n\nthe digits are attached.\n",
    "not-utf8": "Größe;Zahl\n1;2\n".encode("latin-1"),
    "cut-gzip": b"\x1f\x8b\x08\x00",
    "cut-zip": b"PK\x03\x04\x14\x00",
    "cut-npy": b"\x93NUMPY\x01\x00",
    "cut-png": b"\x89PNG\r\n\x1a\n",
    "idx-promise": b"\x00\x00\x08\x03" + b"\xff" * 12,
}
SUFFIXES = ("", ".parquet", ".csv", ".gz", ".csv.gz", ".zip", ".npz", ".png", "-idx3-ubyte", "-images-idx3-ubyte.gz")


def junk_paths(folder: Path) -> list[Path]:
    """Files and folders that hold nothing good, under every name that could tempt a reader."""
    paths = []
    for name, content in JUNK.items():
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            path.write_bytes(content)
            paths.append(path)
    for name in ("empty-folder", "folder.csv", "folder-of-empty-folders/a"):
        (folder / name).mkdir(parents=True)
    return [*paths, folder / "empty-folder", folder / "folder.csv", folder / "folder-of-empty-folders", folder]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_of_its_docstring_says_what_it_reads(name: str) -> None:
    source = SOURCES.get(name)
    assert issubclass(source, Source)
    first = (inspect.getdoc(source) or "").splitlines()[:1]
    assert first and 10 < len(first[0]) < 200
    assert source.__doc__ != Source.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_looking_at_anything_answers_yes_or_no(name: str, tmp_path: Path) -> None:
    for path in junk_paths(tmp_path):
        assert SOURCES.get(name).recognises(path) in (True, False), path


@pytest.mark.parametrize("name", NAMES)
def test_looking_changes_nothing(name: str, tmp_path: Path) -> None:
    paths = junk_paths(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for path in paths:
        SOURCES.get(name).recognises(path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_whatever_is_recognised_is_read_or_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No junk under any name makes a reader fail in another way than by saying what is wrong."""
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    junk = tmp_path / "junk"
    junk.mkdir()
    for path in junk_paths(junk):
        with pytest.raises(DataError) as caught:
            load(path, "train")
        assert caught.value.exit_code == 3
        assert str(path) in str(caught.value), caught.value
    assert not (tmp_path / "home").exists()


def test_a_named_source_is_no_path() -> None:
    assert "mnist" in named_sources()
    for name in named_sources():
        assert not SOURCES.get(name).recognises(Path())
