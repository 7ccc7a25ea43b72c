"""Parsed copies: used when they are whole, made anew when they are not, never in the way."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import ReadOptions, cache
from tenfold.data.cache import open_stored, stored
from tenfold.data.load import load
from tenfold.data.sources import kaggle_csv
from tenfold.errors import DataError, IntegrityError, ResourceError
from tenfold.values.dataset import Dataset, Origin

TABLE = b"label,pixel0,pixel1,pixel2,pixel3\n1,2,3,4,5\n0,6,7,8,9\n"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "train.csv"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def parses(monkeypatch) -> list[Path]:
    """The files that were really parsed."""
    parsed: list[Path] = []
    original = kaggle_csv.KaggleCsv.read.__func__

    def read(cls, path, role, options):
        parsed.append(path)
        return original(cls, path, role, options)

    monkeypatch.setattr(kaggle_csv.KaggleCsv, "read", classmethod(read))
    return parsed


def assert_same(one: Dataset, other: Dataset) -> None:
    assert one.fingerprint() == other.fingerprint()
    np.testing.assert_array_equal(one.images, other.images)
    assert (one.class_names, one.notes) == (other.class_names, other.notes)


def entry(home: Path) -> Path:
    (found,) = (home / "tables").iterdir()
    return found


def test_the_second_load_parses_nothing(home, table, parses):
    first, second = load(table), load(table)
    assert len(parses) == 1
    assert_same(first, second)
    assert first.origin == second.origin
    assert not second.images.flags.writeable


def test_a_copy_elsewhere_is_known_by_its_content_and_keeps_its_own_path(home, table, parses, tmp_path):
    load(table)
    shutil.copy(table, tmp_path / "copy.csv")
    assert [Path(file.path).name for file in load(tmp_path / "copy.csv").origin] == ["copy.csv"]
    assert len(parses) == 1


def test_other_content_options_or_role_are_read_anew(home, table, parses):
    load(table)
    load(table, "test")
    load(table, options=ReadOptions(class_names=("a", "b")))
    table.write_bytes(TABLE.replace(b"9", b"8"))
    load(table)
    assert len(parses) == 4


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "ids.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_copy_is_made_anew(name, damage, home, table, parses):
    first = load(table)
    path = entry(home) / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flip":
        content[-10] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "empty":
        path.write_bytes(b"")
    assert_same(first, load(table))
    assert_same(first, load(table))
    assert len(parses) == 2 or (name, damage) == ("meta.json", "flip")


def test_a_copy_of_another_version_is_made_anew(home, table, parses):
    load(table)
    meta = json.loads((entry(home) / "meta.json").read_text())
    (entry(home) / "meta.json").write_text(json.dumps({**meta, "format_version": 99}))
    load(table)
    assert len(parses) == 2


def test_without_the_cache_nothing_is_written(home, table):
    load(table, cache=False)
    assert not home.exists()


def test_a_rejection_is_not_kept(home, table):
    table.write_bytes(TABLE + b"1,2,3\n")
    with pytest.raises(DataError):
        load(table)
    assert not home.exists()


def test_a_cache_that_cannot_be_written_is_no_obstacle(table, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "file" / "home"))
    assert len(load(table)) == 2


def test_a_full_disk_is_no_obstacle_and_no_part_stays(home, table, monkeypatch):
    def full(path: Path, *_: object, **__: object) -> str:
        if path.name == "ids.npy":
            raise ResourceError("cannot write: No space left on device")
        return original(path, *_, **__)

    original = cache.write_chunks
    monkeypatch.setattr(cache, "write_chunks", full)
    assert len(load(table)) == 2
    assert list((home / "tables").iterdir()) == []


def test_the_oldest_copies_go(home, table, monkeypatch):
    monkeypatch.setattr(cache, "KEPT_TABLES", 3)
    for value in range(5):
        table.write_bytes(TABLE.replace(b"9", b"%d" % value))
        load(table)
        os.utime(max((home / "tables").iterdir(), key=lambda path: path.stat().st_mtime), (value, value))
    assert len(list((home / "tables").iterdir())) == 3


def dataset(ids: list[str] | None = None) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 3, 3), dtype=np.uint8)
    names = np.array(ids) if ids else np.arange(4)
    return Dataset(images, np.array([0, 1, 1, 0]), names, ("zero", "one"), (Origin("a.csv", "00"),), ("a note",))


@pytest.mark.parametrize("ids", [None, ["a", "ünïcode", "=cmd()", ""]])
def test_stored_and_opened_again(ids, home):
    data = dataset(ids)
    path = stored(data)
    assert path.is_relative_to(home)
    again = open_stored(path)
    assert_same(data, again)
    assert again.origin == data.origin
    assert again.ids.tolist() == data.ids.tolist()
    with pytest.raises(ValueError, match="read-only"):
        again.images[0] = 1
    assert isinstance(again.images.base, np.memmap)


def test_stored_without_labels_in_a_folder_of_choice(tmp_path):
    path = stored(dataset().without_labels(), tmp_path / "here")
    assert path == tmp_path / "here"
    assert open_stored(path).labels is None


def test_stored_twice_writes_once(home):
    path = stored(dataset())
    before = (path / "images.npy").stat().st_mtime_ns
    assert stored(dataset()) == path
    assert (path / "images.npy").stat().st_mtime_ns == before


def test_object_arrays_are_never_unpickled(home):
    path = stored(dataset())
    np.save(path / "ids.npy", np.array([{}, {}, {}, {}]), allow_pickle=True)
    with pytest.raises(IntegrityError):
        open_stored(path)


def test_damage_is_found_unless_told_not_to_look(home):
    path = stored(dataset())
    content = bytearray((path / "images.npy").read_bytes())
    content[-1] ^= 1
    (path / "images.npy").write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        open_stored(path)
    assert len(open_stored(path, verify=False)) == 4
