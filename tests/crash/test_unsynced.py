"""K03: what was not synced may be lost or reordered by a power cut, and does no harm.

A disk in memory stands in for the system's. It keeps apart what a program sees and what has certainly reached the disk:
content after fsync of the file, names after fsync of the folder. Whatever is not certain may be there or not, each by
itself, in any combination (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenfold import files

OLD, NEW = b"old" * 100, [b"new" * 50, b"new" * 50]
FOLDER = Path("/disk")
FILE = FOLDER / "file"


class PowerCut(Exception):
    """The end of the machine; nothing more reaches the disk."""


class Disk:
    """Stands in for ``os`` in the atomic writer; the power goes before call number ``at`` that changes something."""

    def __init__(self, at: int, *, before: bytes | None, deaf: bool = False) -> None:
        self.at, self.calls, self.deaf = at, 0, deaf
        self.seen: list[bytearray] = []  # content by inode, as a program sees it
        self.certain: list[bytes] = []
        self.names: dict[str, int] = {}
        self.renames: list[dict[str, int | None]] = []  # changes of names since the last sync of the folder
        self.certain_names: dict[str, int] = {}
        self.open_files: dict[int, int | None] = {}
        if before is not None:
            self.seen, self.certain = [bytearray(before)], [before]
            self.names, self.certain_names = {str(FILE): 0}, {str(FILE): 0}

    def _call(self) -> None:
        self.calls += 1
        if self.calls >= self.at:
            raise PowerCut

    def open(self, path: Path, flags: int, mode: int = 0) -> int:
        self._call()
        number = 100 + self.calls
        if flags & os.O_DIRECTORY:
            self.open_files[number] = None
            return number
        assert flags & os.O_EXCL and str(path) not in self.names
        self.seen.append(bytearray())
        self.certain.append(b"")
        self._rename({str(path): len(self.seen) - 1})
        self.open_files[number] = len(self.seen) - 1
        return number

    def write(self, number: int, content: memoryview) -> int:
        self._call()
        inode = self.open_files[number]
        assert inode is not None
        self.seen[inode] += content
        return len(content)

    def fsync(self, number: int) -> None:
        self._call()
        if self.deaf:
            return
        inode = self.open_files[number]
        if inode is None:
            self.certain_names, self.renames = dict(self.names), []
        else:
            self.certain[inode] = bytes(self.seen[inode])

    def close(self, number: int) -> None:
        self._call()
        del self.open_files[number]

    def replace(self, source: Path, target: Path) -> None:
        self._call()
        self._rename({str(target): self.names[str(source)], str(source): None})

    def link(self, source: Path, target: Path) -> None:
        self._call()
        if str(target) in self.names:
            raise FileExistsError
        self._rename({str(target): self.names[str(source)]})

    def unlink(self, path: Path) -> None:
        self._call()
        self._rename({str(path): None})

    def _rename(self, change: dict[str, int | None]) -> None:
        self.renames.append(change)
        self.names = _changed(self.names, change)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def after_the_cut(self) -> Iterator[bytes | None]:
        """What FILE may hold when the machine starts again: for every subset of uncertain names and of uncertain
        content.
        """
        for kept in itertools.product((False, True), repeat=len(self.renames)):
            names = self.certain_names
            for change in itertools.compress(self.renames, kept):
                names = _changed(names, change)
            inode = names.get(str(FILE))
            if inode is None:
                yield None
                continue
            yield self.certain[inode]
            for length in range(len(self.certain[inode]), len(self.seen[inode]) + 1, 50):
                yield bytes(self.seen[inode][:length])


def _changed(names: dict[str, int], change: dict[str, int | None]) -> dict[str, int]:
    return {name: inode for name, inode in {**names, **change}.items() if inode is not None}


def cuts(
    monkeypatch: pytest.MonkeyPatch, *, before: bytes | None, deaf: bool = False
) -> Iterator[tuple[bool, set[bytes | None]]]:
    """For a power cut at every call, and for one when the write is over: (is it over, what FILE may then hold)."""
    for at in range(1, 100):
        disk = Disk(at, before=before, deaf=deaf)
        over = True
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", disk)
            try:
                files.write_chunks(FILE, NEW, overwrite=before is not None)
            except PowerCut:
                over = False
        yield over, set(disk.after_the_cut())
        if over:
            return


@pytest.mark.parametrize("before", [OLD, None], ids=["replaced", "new"])
def test_k03_a_power_cut_leaves_the_old_or_the_new_and_what_is_said_to_be_there_is_there(
    before: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, seen = b"".join(NEW), set()
    for over, may_hold in cuts(monkeypatch, before=before):
        assert may_hold <= ({new} if over else {before, new})
        seen |= may_hold
    assert seen == {before, new}


@pytest.mark.parametrize("before", [OLD, None], ids=["replaced", "new"])
def test_k03_a_disk_that_ignores_fsync_is_told_from_one_that_does_not(
    before: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without fsync half a file, or none, may stand under the final name."""
    assert any(may_hold - {before, b"".join(NEW)} for _, may_hold in cuts(monkeypatch, before=before, deaf=True))
