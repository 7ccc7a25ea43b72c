"""The bytes of files: what the system refuses, what changes, what is no file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import files
from tenfold.data.load import load
from tenfold.errors import DataError, ResourceError

LIMIT = 1 << 30


def failing(code: int) -> object:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


class Broken:
    """A source that the device stops giving."""

    read = staticmethod(failing(errno.EIO))


def test_a_device_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with pytest.raises(ResourceError, match=r"a.*Input/output error"):
        files.ByteStream(path, Broken(), LIMIT, 3).read(3)
    monkeypatch.setattr(files.hashlib, "file_digest", failing(errno.EIO))
    with pytest.raises(ResourceError, match="Input/output error"):
        files.hash_file(path, LIMIT)


def test_the_hash_is_that_of_the_whole_file_however_little_was_read(tmp_path: Path) -> None:
    path, content = tmp_path / "a", bytes(5 << 20)
    path.write_bytes(content)
    with files.open_stream(path, LIMIT) as stream:
        assert stream.read(10) == content[:10]
    assert stream.sha256 == hashlib.sha256(content).hexdigest() == files.hash_file(path, LIMIT)


def test_a_stretch_is_just_that_part_and_a_file_that_shrank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with files.open_stretch(path, LIMIT, 3, 7) as stream:
        assert stream.read(100) == b"3456"
    with pytest.raises(DataError, match="changed"), files.open_stretch(path, LIMIT, 3, 11):
        pass


def test_what_is_no_regular_file_is_refused_and_has_no_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path, "a folder"),
        (tmp_path / "pipe", "a regular file"),
        (tmp_path / "loop", "circle"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(DataError, match=words):
            files.open_regular(path)
        assert files.first_bytes(path) == b""


def test_a_file_that_may_not_be_read_is_exit_code_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(files.os, "open", failing(errno.EACCES))
    with pytest.raises(ResourceError, match="Permission denied"):
        files.open_regular(tmp_path / "a")


@pytest.mark.parametrize(("code", "error"), [(errno.EINVAL, DataError), (errno.EIO, ResourceError)])
def test_a_member_of_an_archive_that_cannot_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n1,2\n0,1\n")
    monkeypatch.setattr(zipfile.ZipFile, "open", failing(code))
    with pytest.raises(error):
        load(tmp_path / "a.zip")


def table(rows: bytes, head: bytes = b"label,pixel0,pixel1,pixel2,pixel3\n") -> bytes:
    return head + rows


def test_a_line_without_an_end_is_refused_though_no_field_is_long(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(table(b"1,2," * (3 << 20)))
    with pytest.raises(DataError, match=r"a line of more than 4,194,304 characters, expected 5 fields"):
        load(path)


def test_a_wide_table_of_short_fields_is_read_field_by_field(tmp_path: Path) -> None:
    """Longer than a field may be, but no field of it is; quotes send it to the careful reader."""
    side = 260
    head = b"label," + b",".join(b"pixel%d" % i for i in range(side * side)) + b"\n"
    pixels = np.arange(side * side) % 256
    rows = b"".join(b'"%d",' % label + b",".join(b"%3d" % p for p in pixels) + b"\n" for label in (0, 1))
    assert len(rows) // 2 > 131_072
    path = tmp_path / "train.csv"
    path.write_bytes(head + rows)
    read = load(path)
    assert read.images.shape == (2, 1, side, side)
    assert np.array_equal(read.images[1].reshape(-1), pixels)


def test_more_spellings_than_are_remembered_are_read_all_the_same(tmp_path: Path) -> None:
    """Spaces around make as many ways to write a number as one likes."""
    ways = [b" " * before + b"7" + b" " * after for before in range(66) for after in range(66)]
    rows = b"".join(b"%d,%s,2,3,4\n" % (n % 2, way) for n, way in enumerate(ways))
    path = tmp_path / "train.csv"
    path.write_bytes(table(rows))
    assert (load(path).images[:, 0, 0, 0] == 7).all()


def test_pixels_that_make_no_square_in_any_way(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"label," + b",".join(b"pixel%d" % i for i in range(790)) + b"\n")
    with pytest.raises(DataError, match=r"expected a square image, or --shape; the numbers of --shape multiply"):
        load(path)


def test_a_file_exchanged_for_a_pipe_between_the_look_and_the_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(files.os, "fstat", lambda descriptor: os.stat_result((stat.S_IFIFO, *[0] * 9)))
    with pytest.raises(DataError, match="expected a regular file"):
        files.open_regular(tmp_path / "a")
