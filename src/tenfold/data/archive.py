"""A zip archive of images, read as the folder that was packed."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from tenfold.data.streams import damaged, open_archive, open_regular
from tenfold.data.unpacking import DAMAGED, Member
from tenfold.errors import DataError, Problem, printable
from tenfold.files import write_folder

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif"})
MOST_FILES = 1_000_000
_DEEPEST = 32
_STEP = 1 << 20
_IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


def is_archive_of_images(path: Path) -> bool:
    """Whether ``path`` is a zip archive that has images and nothing else that is read from archives.

    Raises:
        DataError: it is called a zip archive, and is damaged.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        return False
    with open_regular(path) as file, open_archive(path, file) as archive:
        endings = {PurePosixPath(info.filename).suffix.lower() for info in _files(archive)}
    return bool(endings & IMAGES) and ".csv" not in endings


@contextmanager
def unpacked(path: Path, most: int) -> Iterator[Path]:
    """The folder of images in a zip archive, for as long as the block lasts; any other path as it is.

    Errors about its files name them by their place in the archive.

    Args:
        path: perhaps an archive.
        most: bytes of all files together.

    Raises:
        DataError: damaged, too large, or with names that lead out of it.
    """
    if not is_archive_of_images(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-") as scratch:
        folder = Path(scratch) / "images"
        with open_regular(path) as file, open_archive(path, file) as archive:
            names = _checked(path, _files(archive), most)
            top = _common_folder(list(names))
            inner = {name.removeprefix(top): info for name, info in names.items()}
            folders = sorted({str(parent) for name in inner for parent in PurePosixPath(name).parents} - {"."})
            try:
                write_folder(folder, folders, ((name, _content(file, info)) for name, info in inner.items()))
            except (*DAMAGED, ValueError, NotImplementedError) as error:
                raise damaged(path, error) from error
        try:
            yield folder
        except DataError as error:
            raise DataError(*(_renamed(one, folder, path) for one in error.problems), total=error.total) from None


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Its files, without hidden ones and what systems add."""
    names = ((info, PurePosixPath(info.filename).parts) for info in archive.infolist() if not info.is_dir())
    return [info for info, parts in names if parts and not any(p in _IGNORED or p[0] == "." != p for p in parts)]


def _checked(path: Path, found: Sequence[zipfile.ZipInfo], most: int) -> dict[str, zipfile.ZipInfo]:
    """Its files by name, after a look at names, number and sizes."""
    names: dict[str, zipfile.ZipInfo] = {}
    for info in found:
        parts = info.filename.split("/")
        if "\\" in info.filename or "\0" in info.filename or not all(p not in ("", ".", "..") for p in parts):
            raise DataError(
                Problem(path, f"a file called {printable(info.filename)[:80]!r}", "names inside the archive")
            )
        if len(parts) > _DEEPEST or info.filename in names:
            found_there = "twice" if info.filename in names else f"more than {_DEEPEST} folders deep"
            raise DataError(Problem(path, f"{printable(info.filename)[:80]!r} {found_there}", "each image once"))
        names[info.filename] = info
    size = sum(info.file_size for info in found)
    if len(found) > MOST_FILES or size > most:
        hint = "raise --max-input-bytes if that is right" if size > most else None
        expected = f"at most {MOST_FILES:,} files, {most:,} bytes together"
        raise DataError(Problem(path, f"{len(found):,} files, {size:,} bytes", expected, hint=hint))
    return names


def _common_folder(names: Sequence[str]) -> str:
    """The folder that everything lies in, with its slash, as archives of a folder have it; a folder of images stays."""
    parents = [PurePosixPath(name).parts[:-1] for name in names]
    top = ""
    while parents and all(len(parts) > 1 for parts in parents) and len({parts[0] for parts in parents}) == 1:
        top += parents[0][0] + "/"
        parents = [parts[1:] for parts in parents]
    return top


def _content(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    member, pieces = Member(file, info), []
    while piece := member.read(_STEP):
        pieces.append(piece)
    return b"".join(pieces)


def _renamed(problem: Problem, folder: Path, archive: Path) -> Problem:
    return replace(problem, file=str(problem.file).replace(str(folder), str(archive)))
