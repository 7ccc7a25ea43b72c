"""The bytes of files: what the system refuses, what changes, what is no file."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import re
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import streams, unpacking
from tenfold.data.load import load
from tenfold.errors import DataError, Problem, ResourceError

pytestmark = pytest.mark.usefixtures("own_cache")

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
        streams.ByteStream(path, Broken(), LIMIT, 3).read(3)
    monkeypatch.setattr(streams.hashlib, "file_digest", failing(errno.EIO))
    with pytest.raises(ResourceError, match="Input/output error"):
        streams.hash_file(path, LIMIT)


def test_the_hash_is_that_of_the_whole_file_however_little_was_read(tmp_path: Path) -> None:
    path, content = tmp_path / "a", bytes(5 << 20)
    path.write_bytes(content)
    with streams.open_stream(path, LIMIT) as stream:
        assert stream.read(10) == content[:10]
    assert stream.sha256 == hashlib.sha256(content).hexdigest() == streams.hash_file(path, LIMIT)


def test_a_stretch_is_just_that_part_and_a_file_that_shrank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with streams.open_stretch(path, LIMIT, 3, 7) as stream:
        assert stream.read(100) == b"3456"
    with pytest.raises(DataError, match="changed"), streams.open_stretch(path, LIMIT, 3, 11):
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
            streams.open_regular(path)
        assert streams.first_bytes(path) == b""


def test_a_file_that_may_not_be_read_is_exit_code_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(streams.os, "open", failing(errno.EACCES))
    with pytest.raises(ResourceError, match="Permission denied"):
        streams.open_regular(tmp_path / "a")


@pytest.mark.parametrize(("code", "error"), [(errno.EINVAL, DataError), (errno.EIO, ResourceError)])
def test_a_member_of_an_archive_that_cannot_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n1,2\n0,1\n")
    monkeypatch.setattr(unpacking.Member, "__init__", failing(code))
    with pytest.raises(error, match=rf"{re.escape(str(tmp_path / 'a.zip'))}.*{os.strerror(code)}"):
        load(tmp_path / "a.zip")


def test_a_member_under_a_password_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n1,2\n0,1\n")
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1  # the flag that says: encrypted
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: found a compressed file damaged or cut off \(.*encrypted"):
        load(path)


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
    monkeypatch.setattr(streams.os, "fstat", lambda descriptor: os.stat_result((stat.S_IFIFO, *[0] * 9)))
    with pytest.raises(DataError, match="expected a regular file"):
        streams.open_regular(tmp_path / "a")


KINDS = {
    "gzip data": b"\x1f\x8b\x08",
    "a zip archive": b"PK\x03\x04rest",
    "HTML": b"\xef\xbb\xbf \t\r\n<!DOCTYPE html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com",
    "an image": b"\x89PNG\r\n",
    "a NumPy array (.npy)": b"\x93NUMPY\x01",
    "a PDF document": b"%PDF-1.7",
    "UTF-16": b"\xff\xfel\0",
    "an IDX file": b"\0\0\x08\x03",
}
MORE_KINDS = [
    *(("HTML", text) for text in (b"<html>", b"<HEAD>", b'<?xml version="1.0"?>')),
    *(("an image", first) for first in (b"\xff\xd8\xff\xe0", b"GIF89a")),
    *(("UTF-16", text.encode(kind)) for text in ("label,pixel0", "labels") for kind in ("utf-16-le", "utf-16-be")),
    ("UTF-16", b"\xfe\xff\0l"),
    *(
        (None, text)
        for text in (b"", b"label,pixel0\n", b"<p>", b"\0\0\x09\x03", b"PK\x05\x06", b"GIF", b"\xff\xd8", b"l\0a\0b\0x")
    ),
]


@pytest.mark.parametrize(("kind", "first"), [*KINDS.items(), *MORE_KINDS])
def test_the_usual_mix_ups_are_known_by_their_first_bytes(kind: str | None, first: bytes) -> None:
    assert streams.looks_like(first) == kind


def said(path: Path, *, limit: int = LIMIT, member: str | None = None) -> str:
    """The whole message, FILE for the path, of reading all of a file."""
    with pytest.raises((DataError, ResourceError)) as caught, streams.open_stream(path, limit, member=member) as stream:
        while stream.read(1000):
            pass
    return str(caught.value).replace(str(path), "FILE")


def test_what_is_said_of_files_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.gz").write_bytes(b"label")
    assert (
        said(tmp_path / "a.gz") == "FILE: found data that is not compressed, expected gzip data, by the name; is it a?"
    )
    (tmp_path / "a.gz").write_bytes(KINDS["a zip archive"])
    assert said(tmp_path / "a.gz") == "FILE: found a zip archive, expected gzip data, by the name; is it a?"
    (tmp_path / "a.GZ").write_bytes(gzip.compress(bytes(5000))[:-1])
    damaged = "FILE: found a compressed file damaged or cut off (%s), expected intact data; fetch it again"
    torn = "Compressed file ended before the end-of-stream marker was reached"
    assert said(tmp_path / "a.GZ") == damaged % torn
    (tmp_path / "a").write_bytes(bytes(5000))
    more = "raise --max-input-bytes if that is right"
    assert said(tmp_path / "a", limit=4999) == f"FILE: found 5,000 bytes, expected at most 4,999 bytes; {more}"
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(5000)))
    assert (
        said(tmp_path / "b.gz", limit=4999)
        == f"FILE: found more than 4,999 bytes, expected at most 4,999 bytes; {more}"
    )
    assert said(tmp_path) == "FILE: found a folder, expected a regular file"
    os.mkfifo(tmp_path / "pipe")
    assert said(tmp_path / "pipe") == "FILE: found a named pipe, expected a regular file"
    assert said(Path(os.devnull)) == "FILE: found a character device, expected a regular file"
    assert said(tmp_path / "none") == "FILE: found no such file, expected a file"
    assert said(tmp_path / "a" / "below") == "FILE: found no such file, expected a file"
    (tmp_path / "link").symlink_to("gone")
    assert said(tmp_path / "link") == "FILE: found a link to gone, which does not exist, expected a file"
    (tmp_path / "loop").symlink_to("loop")
    assert said(tmp_path / "loop") == "FILE: found links that lead in a circle, expected a file"
    assert said(tmp_path / "a", member="x") == damaged % "File is not a zip file"
    monkeypatch.setattr(streams.os, "open", failing(errno.EACCES))
    assert said(tmp_path / "a") == "cannot read FILE: Permission denied; check its permissions and the disk"


def test_exactly_the_limit_may_come_and_all_of_it_is_counted(tmp_path: Path) -> None:
    content = bytes(range(250)) * 20
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", content)
    ratio = 1032  # the most that deflate can save
    most = {"a": 5000, "b.gz": min(5000, ratio * (tmp_path / "b.gz").stat().st_size), "c.zip": 5000}
    for name in most:
        with streams.open_stream(tmp_path / name, 5000, member="x" if name == "c.zip" else None) as stream:
            assert (stream.path, stream.share, stream.sha256) == (tmp_path / name, 0, "")
            assert stream.most == most[name]
            assert stream.read_exactly(3) == content[:3]
            assert stream.read_exactly(0) == b""
            assert stream.read_exactly(10_000) == content[3:]
            assert stream.read(1) == b""
            assert stream.share == 1
        assert stream.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    (tmp_path / "d.gz").write_bytes(gzip.compress(bytes(4_000_000)))
    with streams.open_stream(tmp_path / "d.gz", 1 << 30) as stream:
        assert stream.most == ratio * (tmp_path / "d.gz").stat().st_size
        assert (stream.read(1), stream.share) == (b"\0", 1)  # of the file, which is small, not of what comes out of it
    with streams.open_stretch(tmp_path / "a", 5000, 10, 20) as stream:
        assert (stream.most, stream.read(4), stream.share, stream.read(100), stream.read(1)) == (
            10, content[10:14], 0.4, content[14:20], b""
        )  # fmt: skip


def test_a_file_that_grows_or_is_touched_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    words = f"{path}: found a file that changed during reading, expected a file that stays as it is; try again"
    path.write_bytes(b"abc")
    with pytest.raises(DataError) as caught, streams.open_stream(path, LIMIT) as stream:
        path.write_bytes(b"abcdef")
        stream.read(100)
    assert str(caught.value) == words
    with pytest.raises(DataError) as caught, streams.open_stream(path, LIMIT):
        os.utime(path, (1, 1))
    assert str(caught.value) == words
    with pytest.raises(DataError) as caught, streams.open_stream(path, LIMIT) as stream:
        path.write_bytes(b"ghi")
        raise DataError(Problem(path, "odd", "even"))
    assert str(caught.value) == words
    with pytest.raises(DataError, match="odd"), streams.open_stream(path, LIMIT):
        raise DataError(Problem(path, "odd", "even"))


def test_opening_never_waits_for_a_writer_and_is_closed_to_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe may take the file's place between the look and the opening."""
    asked, real = [], os.open

    def watching(path: Path, flags: int) -> int:
        asked.append(flags)
        return real(path, flags)

    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(streams.os, "open", watching)
    streams.open_regular(tmp_path / "a").close()
    assert asked == [os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK]


def test_first_bytes_are_as_many_as_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    assert [len(streams.first_bytes(tmp_path / "a")), len(streams.first_bytes(tmp_path / "a", 7))] == [512, 7]
    with pytest.raises(DataError, match="expected at most 999 bytes"):
        streams.hash_file(tmp_path / "a", 999)
