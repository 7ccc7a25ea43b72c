"""The only code that creates files: under its final name a file is always complete.

Temporary file in the same directory, write, fsync, rename, fsync of the directory. Whatever the
operating system refuses becomes a :class:`~tenfold.errors.ResourceError` that names the path, and
no temporary file stays behind.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from tenfold.errors import ResourceError, UsageError

_ADVICE = {
    errno.EACCES: "permission denied; choose a folder you can write to with --out",
    errno.EPERM: "permission denied; choose a folder you can write to with --out",
    errno.EROFS: "the file system is read-only; choose another folder with --out",
    errno.EFBIG: "the file would exceed the size limit of this process (ulimit -f)",
    errno.EMFILE: "too many open files (ulimit -n)",
    errno.ENFILE: "the system has too many open files",
    errno.ENOENT: "the folder does not exist (any more)",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EIO: "the device reports an input/output error",
    errno.EINTR: "a signal came in between; run the same command again",
}
PATIENCE_SECONDS = 60.0
"""NFS answers from what it remembers of a folder for so long at most (acdirmax)."""


def refused(path: Path, error: OSError, doing: str = "write", needed: int = 0) -> ResourceError:
    """``error`` as a message that names the path, the resource and the way out; ``needed`` is the file's size in
    bytes.
    """
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"{_no_room(path, error.errno, needed)}; free some space or choose another folder with --out"
    else:
        advice = _ADVICE.get(error.errno or 0, "")
    return ResourceError(f"cannot {doing} {path}: {reason}" + (f" - {advice}" if advice else ""))


def _no_room(path: Path, code: int, needed: int) -> str:
    """What is used up where ``path`` was to be written, and how much of it would do."""
    size = f": need about {math.ceil(needed / 1e5) / 10:,.1f} MB" if needed else ""
    if code == errno.EDQUOT:
        return f"your disk quota is used up{size}"
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return f"the disk is full{size}"
    if disk.f_files and not disk.f_favail:
        return "the disk has no room for another file, however small (its inodes are used up)"
    return f"the disk is full{size}, {math.floor(disk.f_bavail * disk.f_frsize / 1e5) / 10:,.1f} MB are free"


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview], *, overwrite: bool = True) -> str:
    """Create or replace ``path`` with ``chunks``; either all of it is there afterwards, or nothing changed.

    Returns:
        The SHA-256 of the content, in hexadecimal.

    Raises:
        UsageError: the file exists and ``overwrite`` is false.
        ResourceError: the operating system refused.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    digest, size = hashlib.sha256(), 0
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                for chunk in chunks:
                    digest.update(chunk)
                    size += memoryview(chunk).nbytes
                    _write_all(descriptor, chunk)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if overwrite:
                os.replace(temporary, path)
            else:
                # link, unlike rename, fails when the name is taken: no race between two writers
                os.link(temporary, path)
                os.unlink(temporary)
        except BaseException:
            _remove_quietly(temporary)
            raise
        sync_directory(path.parent)
    except FileExistsError:
        raise UsageError(
            f"{path} exists; nothing was written. Pass --force to replace it, or choose another name"
        ) from None
    except OSError as error:
        raise refused(path, error, needed=size) from error
    return digest.hexdigest()


def write_bytes(path: Path, content: bytes | memoryview, *, overwrite: bool = True) -> str:
    """:func:`write_chunks` for content that is in memory."""
    return write_chunks(path, [content], overwrite=overwrite)


def write_text(path: Path, text: str, *, overwrite: bool = True) -> str:
    """:func:`write_chunks` for text: UTF-8, line ends as they stand in ``text``."""
    return write_chunks(path, [text.encode("utf-8")], overwrite=overwrite)


def write_json(path: Path, value: object, *, overwrite: bool = True) -> str:
    """:func:`write_chunks` for JSON: sorted keys, two spaces, NaN refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    return write_text(path, text, overwrite=overwrite)


def write_folder(path: Path, folders: Iterable[str], files: Iterable[tuple[str, bytes]]) -> None:
    """Create the folder ``path`` with everything in it: it appears as a whole, or not at all.

    It is built under another name beside ``path`` and made durable at once, not file by file.

    Args:
        path: must not exist.
        folders: names of folders in it.
        files: (name with ``/``, content) of the files in it.

    Raises:
        UsageError: ``path`` exists.
        ResourceError: the operating system refused.
    """
    path = Path(path)
    staging = path.with_name(f".{path.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        staging.mkdir()
        for name in folders:
            (staging / name).mkdir()
        for name, content in files:
            (staging / name).write_bytes(content)
        os.sync()
        staging.rename(path)
        sync_directory(path.parent)
    except FileExistsError:
        raise UsageError(
            f"{path} exists; nothing was written. A folder is never replaced: choose another name"
        ) from None
    except OSError as error:
        raise refused(path, error, "create the folder") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def make_directory(path: Path, *, exist_ok: bool = True, within: Path | None = None) -> Path:
    """Create ``path`` and its parents, durably.

    Args:
        path: the folder.
        exist_ok: whether it may be there already.
        within: a folder above it that must be there: if somebody removed it, it is not made anew.

    Raises:
        ResourceError: the operating system refused, ``within`` is gone, or ``path`` exists and ``exist_ok`` is false.
    """
    path = Path(path)
    try:
        if within is not None:
            Path(within).stat()
        if exist_ok and path.is_dir():
            return path
        if not path.parent.exists():
            make_directory(path.parent)
        path.mkdir(exist_ok=exist_ok)
        sync_directory(path.parent)
    except OSError as error:
        raise refused(path, error, "create the folder") from error
    return path


def wait_for_files(paths: Iterable[Path]) -> None:
    """Return once all of them can be seen: a folder that machines share may show one machine's file to another late.

    Raises:
        ResourceError: one still cannot be seen after a minute.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for path in paths:
        while not path.exists():
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"{path} was written, but cannot be seen from here after {PATIENCE_SECONDS:.0f} seconds; do all"
                    " machines see the folder under the same path? What is finished is kept, resume to go on"
                )
            time.sleep(0.1)


def sync_directory(path: Path) -> None:
    """Make the names in ``path`` survive a power loss (a no-op where the system has no such call)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise refused(path, error, "read") from error


def _write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def _remove_quietly(path: Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
