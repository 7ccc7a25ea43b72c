"""The files of a folder, in one order everywhere, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tenfold.errors import SHOWN_PROBLEMS, DataError, Problem, ResourceError, printable

DEEPEST = 32
"""Levels of folders below the root."""
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


class Faults:
    """What is wrong with single files: reported together, or skipped and listed."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.problems: list[Problem] = []
        self.total = 0
        self.remarks: list[str] = []

    def add(self, problem: Problem) -> None:
        """Remember that a file cannot be used."""
        self.total += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)

    @property
    def bad(self) -> bool:
        """Whether a file cannot be used, and that is not to be overlooked."""
        return self.total > 0 and not self.skip

    def settle(self) -> None:
        """Go on if all is well, or if such files are to be skipped."""
        if self.bad:
            raise DataError(*self.problems, total=self.total)

    @property
    def notes(self) -> list[str]:
        """For the dataset, as many as people read."""
        skipped = [f"skipped {problem}" for problem in self.problems]
        hidden = {"skipped": self.total - len(skipped), "odd": len(self.remarks) - SHOWN_PROBLEMS}
        more = [f"and {count:,} more {kind} files" for kind, count in hidden.items() if count > 0]
        return [*self.remarks[:SHOWN_PROBLEMS], *skipped, *more]


class Tree:
    """The files below ``root`` in sorted order; names relative to it, with ``/``."""

    def __init__(self, root: Path, follow_links: bool, faults: Faults) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self.faults = faults
        self.ignored = 0

    def top(self) -> tuple[list[str], list[str]]:
        """The folders and the files directly below the root."""
        return self._entries("")

    def files_below(self, folder: str) -> Iterator[str]:
        """Every file below ``folder``."""
        return self._walk(folder, {self._identity("")})

    def _walk(self, folder: str, ancestors: set[tuple[int, int]]) -> Iterator[str]:
        identity = self._identity(folder)
        if identity in ancestors:
            self._fault(folder, "a link to a folder above it: a loop", "folders without loops")
            return
        if len(ancestors) > DEEPEST:
            self._fault(folder, f"folders nested more than {DEEPEST} deep", "images in a folder for each class")
            return
        folders, files = self._entries(folder)
        yield from files
        for inner in folders:
            yield from self._walk(inner, ancestors | {identity})

    def _identity(self, folder: str) -> tuple[int, int]:
        try:
            status = (self.root / folder).stat()
        except OSError as error:
            raise unreadable(self.root / folder, error) from error
        return status.st_dev, status.st_ino

    def _entries(self, folder: str) -> tuple[list[str], list[str]]:
        folders, files = [], []
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith(".") or entry.name.lower() in _IGNORED:
                        self.ignored += 1
                    elif entry.is_symlink() and not self._may_follow(name):
                        continue
                    elif entry.is_dir():
                        folders.append(name)
                    elif entry.is_file():
                        files.append(name)
                    else:
                        self._fault(name, "neither a file nor a folder", "image files")
        except OSError as error:
            raise unreadable(self.root / folder, error) from error
        return sorted(folders), sorted(files)

    def _may_follow(self, name: str) -> bool:
        target = Path(os.path.realpath(self.root / name))
        if not target.exists():
            self._fault(name, "a link that leads nowhere", "an image")
        elif not self.follow_links and not target.is_relative_to(self.real_root):
            self._fault(name, "a link that leads out of the folder", "files in the folder", "pass --follow-links to allow it")
        else:
            return True
        return False

    def _fault(self, name: str, found: str, expected: str, hint: str | None = None) -> None:
        self.faults.add(Problem(self.root / name, found, expected, hint=hint))


def unreadable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot read {printable(path)}: {error.strerror or error}; check its permissions and the disk")


def readable(name: str) -> str:
    r"""A file name as text that can be encoded: bytes that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
