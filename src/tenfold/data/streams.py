"""Input files as streams: regular files only, decompressed, counted, hashed, and watched for change."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO

from tenfold.data.unpacking import DAMAGED, GZIP, ZIP, Gunzip, Member, Readable, most_of
from tenfold.errors import DataError, Problem, ResourceError
from tenfold.runtime import OPEN_FLAGS

_KINDS = [
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
]
IDX = b"\0\0\x08"
_FOREIGN = (
    (b"MATLAB 5.0 MAT-file", "a MATLAB file (.mat); scipy.io.loadmat reads it, then numpy.savez writes .npz"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5, newer .mat); h5py reads it, then numpy.savez writes .npz"),
    (b"\x80\x02", "a Python pickle; it could run code, so it is not read: save its arrays with numpy.savez"),
    (b"\x80\x03", "a Python pickle; it could run code, so it is not read: save its arrays with numpy.savez"),
    (b"\x80\x04", "a Python pickle; it could run code, so it is not read: save its arrays with numpy.savez"),
    (b"\x80\x05", "a Python pickle; it could run code, so it is not read: save its arrays with numpy.savez"),
    (b"ARROW1", "an Arrow (Feather) file; pyarrow.feather.read_table reads it, pyarrow.parquet.write_table writes it"),
    (b"SQLite format 3", "an SQLite data base; save the table as CSV"),
    (b"BZh", "bzip2 data; unpack it with: bunzip2"),
    (b"\xfd7zXZ\0", "xz data; unpack it with: unxz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data; unpack it with: unzstd"),
)


class ByteStream:
    """The content of an input file, read once from its start.

    Attributes:
        path: the file, as given.
        most: no more bytes than this can come; exactly as many do from a file that is not compressed.
    """

    def __init__(
        self, path: Path, source: Readable, limit: int, most: int, progress: Callable[[], float] | None = None
    ) -> None:
        self.path = path
        self._progress = progress
        self.most = most
        self._source = source
        self._limit = limit
        self._count = 0
        self.translation: bytes | None = None
        """What each of the 256 bytes is read as; None leaves them as they are."""
        self.sha256 = ""
        """SHA-256, in hexadecimal, of the file's own bytes (before decompression); known once the stream is closed."""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; empty only at the end.

        Raises:
            DataError: the compressed data is damaged, or more than the limit comes out of it.
            ResourceError: the operating system refused.
        """
        try:
            content = self._source.read(size)
        except DAMAGED as error:
            raise damaged(self.path, error) from error
        except OSError as error:
            raise _unreadable(self.path, error) from error
        self._count += len(content)
        if self._count > self._limit:
            raise _too_large(self.path, f"more than {self._limit:,} bytes", self._limit)
        return content if self.translation is None else content.translate(self.translation)

    def read_exactly(self, size: int) -> bytes:
        """``size`` bytes, or fewer where the stream ends before."""
        pieces = []
        while size > 0 and (piece := self.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    @property
    def share(self) -> float:
        """About how much of the file has been read, 0..1."""
        return min(1.0, self._count / max(1, self.most)) if self._progress is None else self._progress()


class _Hashing:
    """A file whose bytes are hashed as they are read; it must not outgrow ``size``, or reading might never end."""

    def __init__(self, path: Path, file: FileIO, size: int) -> None:
        self._path = path
        self._file = file
        self._size = self._left = size
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _changed(self._path)
        self._digest.update(content)
        return content

    def share(self) -> float:
        """How much of the file has been read, 0..1."""
        return 1 - self._left / max(1, self._size)

    def sha256(self) -> str:
        """The digest of the whole file: reads what is left of it."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()


@contextmanager
def open_stream(path: Path, limit: int, *, member: str | None = None) -> Iterator[ByteStream]:
    """The bytes of ``path``: unpacked if its name ends in ``.gz``, or those of ``member`` if it is a zip archive.

    Args:
        path: a regular file, or a link to one.
        limit: the most bytes that may come, counted after decompression.
        member: name of the member of a zip archive.

    Raises:
        DataError: not a regular file, too large, damaged, or changed while it was read.
        ResourceError: the operating system refused.
    """
    path = Path(path)
    with open_regular(path) as file, _unchanged(path, file):
        size = _insist_on_size(path, file, limit)
        if member is not None:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with open_archive(path, file) as archive:
                try:
                    unpacked = Member(file, archive.getinfo(member))
                except (*DAMAGED, ValueError, OverflowError) as error:
                    raise damaged(path, error) from error
                except OSError as error:
                    if error.errno == errno.EINVAL:  # the directory names a place before the file's beginning
                        raise damaged(path, error) from error
                    raise _unreadable(path, error) from error
                stream = ByteStream(path, unpacked, limit, min(limit, unpacked.size, most_of(unpacked.packed)))
                yield stream
            stream.sha256 = digest
        else:
            hashing = _Hashing(path, file, size)
            if path.suffix.lower() == ".gz":
                _insist_on_gzip(path, file)
                stream = ByteStream(
                    path, Gunzip(hashing, size), limit, min(limit, 1032 * size, most_of(size)), hashing.share
                )
            else:
                stream = ByteStream(path, hashing, limit, size)
            yield stream
            stream.sha256 = hashing.sha256()


@contextmanager
def open_stretch(path: Path, limit: int, start: int, end: int) -> Iterator[ByteStream]:
    """The bytes ``start`` to ``end - 1`` of a file that is not compressed; its hash is not computed.

    Raises:
        DataError: not a regular file, too large, shorter than that, or changed while it was read.
        ResourceError: the operating system refused.
    """
    with open_regular(path) as file, _unchanged(path, file):
        if _insist_on_size(path, file, limit) < end:
            raise _changed(path)
        file.seek(start)
        yield ByteStream(path, _Stretch(file, end - start), limit, end - start)


def read_text(path: Path, limit: int) -> str:
    """The UTF-8 text of a file of at most ``limit`` bytes; a byte order mark is left out.

    Raises:
        DataError: not a regular file, too large, damaged, or not UTF-8.
        ResourceError: the operating system refused.
    """
    with open_stream(path, limit) as stream:
        content = stream.read_exactly(limit + 1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(Problem(path, "bytes that are not UTF-8", "a text file", row=row)) from error


def read_cells(path: Path, limit: int) -> Iterator[tuple[int, list[str]]]:
    """The lines of a small CSV file: the number of each, counted from 1, and its cells; the first is (1, []) at least.

    Raises:
        DataError: see :func:`read_text`; or it is no CSV, or has a cell of more than 131,072 characters.
        ResourceError: the operating system refused.
    """
    rows = csv.reader(io.StringIO(read_text(path, limit), newline=""))
    try:
        yield 1, next(rows, [])
        for cells in rows:
            yield rows.line_num, cells
    except csv.Error as error:
        found, expected = f"no valid CSV ({error})", "a line a row, cells between commas"
        raise DataError(Problem(path, found, expected, row=max(1, rows.line_num))) from error


class _Stretch:
    """The next ``size`` bytes of a file."""

    def __init__(self, file: FileIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int, /) -> bytes:
        content = self._file.read(min(size, self._left))
        self._left -= len(content)
        return content


def hash_file(path: Path, limit: int) -> str:
    """SHA-256, in hexadecimal, of a regular file of at most ``limit`` bytes.

    Raises:
        DataError: not a regular file, or too large.
        ResourceError: the operating system refused.
    """
    with open_regular(path) as file:
        _insist_on_size(path, file, limit)
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from error


def open_regular(path: Path) -> FileIO:
    """``path`` opened for reading, if it is a regular file or a link to one.

    Raises:
        DataError: missing, a folder, a pipe, a socket, a device, or a dangling link.
        ResourceError: the operating system refused.
    """
    try:
        _insist_on_regular(path, path.stat().st_mode)
        # O_NONBLOCK: should a pipe take the file's place just now, opening it must not wait for a writer
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS | getattr(os, "O_NONBLOCK", 0))
        file = FileIO(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise DataError(Problem(path, f"a link to {path.readlink()}, which does not exist", "a file")) from None
        raise DataError(Problem(path, "no such file", "a file")) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(Problem(path, "links that lead in a circle", "a file")) from None
        raise _unreadable(path, error) from error
    try:
        _insist_on_regular(path, os.fstat(descriptor).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def first_bytes(path: Path, size: int = 512) -> bytes:
    """The first ``size`` bytes of a regular file as it is stored; empty for anything else or if it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(size)
    except (DataError, ResourceError, OSError):
        return b""


def looks_like(first: bytes) -> str | None:
    """What a file that begins with ``first`` is, if it is one of the usual mix-ups."""
    text = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if first.startswith(GZIP):
        return "gzip data"
    if first.startswith(ZIP):
        return "a zip archive"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "HTML"
    if first.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer"
    if first.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        return "an image"
    if first.startswith(b"\x93NUMPY"):
        return "a NumPy array (.npy)"
    if first.startswith(b"%PDF"):
        return "a PDF document"
    for start, name in _FOREIGN:
        if first.startswith(start):
            return name
    if first[4:8] == b"ftyp":
        return "a HEIC or AVIF photograph; save it as PNG or JPEG first"
    if re.match(rb"\s*(%[^\n]*\n\s*)*@relation\b", first[:512], re.IGNORECASE):
        return "an ARFF table; save it as CSV: scipy.io.arff.loadarff reads it, pandas writes it"
    if re.match(rb"[-+.0-9]+( [0-9]+:[-+.0-9eE]+){2}", first):
        return "a libsvm (svmlight) table; sklearn.datasets.load_svmlight_file reads it, then numpy.savez writes .npz"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or first[1:8:2] == b"\0\0\0\0" or first[0:8:2] == b"\0\0\0\0":
        return "UTF-16"
    if first.startswith(IDX):
        return "an IDX file"
    return None


def open_archive(path: Path, file: IO[bytes]) -> zipfile.ZipFile:
    """The zip archive in ``file``.

    Raises:
        DataError: it is damaged, or no zip archive.
    """
    try:
        return zipfile.ZipFile(file)
    except (*DAMAGED, ValueError, NotImplementedError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """The error for compressed data that does not unpack."""
    reason = str(error) or type(error).__name__
    return DataError(
        Problem(path, f"a compressed file damaged or cut off ({reason})", "intact data", hint="fetch it again")
    )


def _insist_on_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise DataError(Problem(path, kind, "a regular file"))


def _insist_on_gzip(path: Path, file: FileIO) -> None:
    first = file.read(512)
    file.seek(0)
    if first and not first.startswith(GZIP):
        found = looks_like(first) or "data that is not compressed"
        raise DataError(Problem(path, found, "gzip data, by the name", hint=f"is it {path.with_suffix('').name}?"))


@contextmanager
def _unchanged(path: Path, file: FileIO) -> Iterator[None]:
    """Whatever goes wrong with a file that changes meanwhile goes wrong because of that."""

    def state() -> tuple[int, int]:
        status = os.fstat(file.fileno())
        return status.st_size, status.st_mtime_ns

    before = state()
    try:
        yield
    except DataError:
        if state() == before:
            raise
    if state() != before:
        raise _changed(path)


def _insist_on_size(path: Path, file: FileIO, limit: int) -> int:
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise _too_large(path, f"{size:,} bytes", limit)
    return size


def _changed(path: Path) -> DataError:
    return DataError(
        Problem(path, "a file that changed during reading", "a file that stays as it is", hint="try again")
    )


def _too_large(path: Path, found: str, limit: int) -> DataError:
    return DataError(Problem(path, found, f"at most {limit:,} bytes", hint="raise --max-input-bytes if that is right"))


def _unreadable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot read {path}: {error.strerror or error}; check its permissions and the disk")
