"""Sources by URL: read as if they lay here, copied once, and told apart when they change."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from tenfold.data.fetch import expanded, is_url, local_path
from tenfold.data.load import load
from tenfold.errors import DataError, ResourceError

TABLE = "label,pixel0,pixel1,pixel2,pixel3\n1,2,3,4,5\n0,6,7,8,9\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture
def store() -> fsspec.AbstractFileSystem:
    """A store in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    return system


def test_a_url_is_no_path() -> None:
    assert is_url("s3://bucket/a.csv") and is_url("simplecache::https://host/a.csv")
    assert not any(map(is_url, ("a.csv", "/a//b.csv", "C:\\a.csv", "memory:abc", Path("s3://bucket"))))
    assert local_path("a.csv") == Path("a.csv")


def test_a_table_elsewhere_is_the_table_here(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    store.pipe("/bucket/train.csv", TABLE.encode())
    (tmp_path / "train.csv").write_text(TABLE)
    assert load("memory://bucket/train.csv").fingerprint() == load(tmp_path / "train.csv").fingerprint()


def test_it_is_copied_once_and_again_when_it_changes(store: fsspec.AbstractFileSystem) -> None:
    store.pipe("/bucket/a.csv", TABLE.encode())
    copy = local_path("memory://bucket/a.csv")
    inode = copy.stat().st_ino
    assert local_path("memory://bucket/a.csv").stat().st_ino == inode
    store.pipe("/bucket/a.csv", TABLE.encode() + b"1,1,1,1,1\n")
    assert local_path("memory://bucket/a.csv").read_text() == TABLE + "1,1,1,1,1\n"
    assert copy.read_text() == TABLE


def test_a_folder_comes_with_all_that_is_below(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for name in ("0", "1"):
        Image.fromarray(np.full((4, 4), 50 * int(name), np.uint8)).save(tmp_path / "image.png")
        store.pipe(f"/bucket/digits/{name}/a.png", (tmp_path / "image.png").read_bytes())
    data = load("memory://bucket/digits")
    assert (data.class_names, data.images[:, 0, 0, 0].tolist()) == (("0", "1"), [0, 50])
    assert not list((tmp_path / "home" / "remote").rglob(".*"))


def test_patterns_become_what_they_match_in_order(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        store.pipe(f"/bucket/{name}.csv", b"")
        (tmp_path / f"{name}.csv").touch()
    (tmp_path / "[x].csv").touch()
    assert expanded(["memory://bucket/*.csv", "plain"]) == [
        *(f"memory:///bucket/{name}.csv" for name in "abc"),
        "plain",
    ]
    assert expanded([f"{tmp_path}/?.csv"]) == [str(tmp_path / f"{name}.csv") for name in "abc"]
    assert expanded([str(tmp_path / "[x].csv")]) == [str(tmp_path / "[x].csv")]
    assert expanded(["https://host/a.csv?version=1"]) == ["https://host/a.csv?version=1"]
    with pytest.raises(DataError, match="no file that matches"):
        expanded([f"{tmp_path}/*.parquet"])


def test_what_is_not_there_or_not_known_is_said(
    store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"memory://bucket/none\.csv: found nothing there"):
        load("memory://bucket/none.csv")
    with pytest.raises(DataError, match="a URL that fsspec knows"):
        load("gopher://host/a.csv")
    monkeypatch.setattr(store, "info", lambda path: 1 / 0)
    with pytest.raises(ResourceError, match="check the address, the credentials"):
        load("memory://bucket/a.csv")


def test_only_the_newest_copies_are_kept(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for number in range(80):
        store.pipe(f"/bucket/{number}.csv", TABLE.encode())
        local_path(f"memory://bucket/{number}.csv")
    assert 16 <= len(list((tmp_path / "home" / "remote").iterdir())) < 80


def test_the_copy_never_leaves_the_cache(store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("/bucket/digits/a.png", b"x")
    monkeypatch.setattr(store, "find", lambda path: [f"{path}/../../../evil"])
    monkeypatch.setattr(store, "info", lambda path: {"type": "directory" if path.endswith("digits") else "file"})
    with pytest.raises(DataError, match="names below the folder"):
        local_path("memory://bucket/digits")
