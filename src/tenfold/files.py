"""The only code that creates files: under its final name a file is always complete.

Temporary file in the same directory, write, fsync, rename, fsync of the directory. Whatever the
operating system refuses becomes a :class:`~tenfold.errors.ResourceError` that names the path, and
no temporary file stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tenfold.errors import ResourceError, UsageError
from tenfold.runtime import OPEN_FLAGS, lock_file

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
_TEMPORARY = re.compile(r"\..*\.(\d+)\.[0-9a-f]{8}\.tmp", re.DOTALL)
PATIENCE_SECONDS = 60.0
"""NFS answers from what it remembers of a folder for so long at most (acdirmax)."""


def refused(path: Path, error: OSError, doing: str = "write", needed: int = 0) -> ResourceError:
    """``error`` as a message that names the path, the resource and the way out; ``needed`` is the file's size in
    bytes.
    """
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        advice = f"{_no_room(path, error.errno or 0, needed)}; free some space or choose another folder with --out"
    else:
        advice = _ADVICE.get(error.errno or 0, "")
    return ResourceError(f"cannot {doing} {path}: {reason}" + (f" - {advice}" if advice else ""))


def _no_room(path: Path, code: int, needed: int) -> str:
    """What is used up where ``path`` was to be written, and how much of it would do."""
    size = f": need about {math.ceil(needed / 1e5) / 10:,.1f} MB" if needed else ""
    if code == getattr(errno, "EDQUOT", None):
        return f"your disk quota is used up{size}"
    try:
        if not hasattr(os, "statvfs"):
            return (
                f"the disk is full{size}, {math.floor(shutil.disk_usage(path.parent).free / 1e5) / 10:,.1f} MB are free"
            )
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
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o666)
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
                _insist_on_file(path)
                os.replace(temporary, path)
            elif hasattr(os, "link"):
                # link, unlike rename, fails when the name is taken: no race between two writers
                os.link(temporary, path)
                os.unlink(temporary)
            else:
                temporary.rename(path)  # fails there when the name is taken
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
    # half of a pair (a file's name that is not UTF-8) becomes its escape, which JSON reads back as it was
    return write_bytes(path, text.encode("utf-8", "backslashreplace"), overwrite=overwrite)


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
        _sync_all(staging)
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
    if not hasattr(os, "O_DIRECTORY"):
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


def _sync_all(folder: Path) -> None:
    """Make every file below ``folder`` durable: at once, or one by one where the system has no such call."""
    if hasattr(os, "sync"):
        os.sync()
        return
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDWR | OPEN_FLAGS)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _insist_on_file(path: Path) -> None:
    """Refuse to replace a device, a pipe or a socket by a file.

    Raises:
        UsageError: ``path`` is one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a device, a pipe or a socket, which is never replaced; choose a file's name")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[int | None]:
    """Be the only process in the block that locks ``path``, a file that is made unless it is there.

    The system lets go of it even after ``kill -9``. Yields the descriptor, or None if another process is in its
    block and we do not ``wait``.

    Raises:
        ResourceError: the operating system refused.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o666)
    except OSError as error:
        raise refused(path, error) from error
    try:
        try:
            mine = lock_file(descriptor, wait=wait)
        except OSError as error:
            raise refused(path, error, "lock") from error
        yield descriptor if mine else None
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, *, age_seconds: float = 0.0) -> list[Path]:
    """Remove temporary files and folders that a killed writer left in ``folder`` and below; returns those removed.

    Only names that :func:`write_chunks` and :func:`write_folder` give, of writers of this machine that are gone or of
    more than ``age_seconds``.
    """
    found = []
    for path in sorted(Path(folder).rglob(".*.tmp")):
        named = _TEMPORARY.fullmatch(path.name)
        if named is None or path.is_symlink() or not path.exists():
            continue
        try:
            if int(named[1]) == os.getpid() or time.time() - path.stat().st_mtime < age_seconds:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue
        found.append(path)
    return found


def _write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def _remove_quietly(path: Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
