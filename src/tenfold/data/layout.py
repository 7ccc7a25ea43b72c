"""One look at a source decides how it is read: which part is asked for, which way is up, how far the pixels reach."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data import Role
from tenfold.errors import DataError, Problem, printable
from tenfold.values.dataset import Dataset

ROLE_FOLDERS: dict[Role, tuple[str, ...]] = {
    "train": ("train", "training", "trainingset", "training_set", "train_set"),
    "test": ("test", "testing", "testset", "testing_set", "test_set", "valid", "validation", "val", "eval"),
}
"""Names of folders that are parts of a data set and no classes, by role; the first one there is taken."""
_PARTS = frozenset(name for names in ROLE_FOLDERS.values() for name in names)
_EMNIST = re.compile(r"(^|[^a-z])emnist([^a-z]|$)", re.IGNORECASE)
SMALL_RANGE = 32
"""Pixels that never exceed this are on another scale than 0..255."""
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def part_of(path: Path, role: Role) -> Path:
    """The folder for ``role`` where ``path`` holds nothing but the parts of a data set; else ``path``.

    Raises:
        DataError: such a folder has no part for ``role``.
    """
    try:
        if not path.is_dir():
            return path
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    except (OSError, ValueError):  # unreadable, or no path: its reader says so
        return path
    folders = {entry.name.lower(): entry for entry in entries if entry.name.lower() not in _IGNORED and entry.is_dir()}
    if not folders or not _PARTS.issuperset(folders):
        return path
    for name in ROLE_FOLDERS[role]:
        if name in folders:
            return folders[name]
    seen = ", ".join(printable(folder.name) for folder in folders.values())
    raise DataError(
        Problem(path, f"the parts {seen}", f"a folder {' or '.join(ROLE_FOLDERS[role][:2])}", hint="name one of them")
    )


def looked_at(data: Dataset, path: Path) -> Dataset:
    """``data`` upright, with what was taken for granted among its notes.

    EMNIST's files hold every image transposed: its name in the file's, or in the folder's, decides.
    """
    if _EMNIST.search(path.name) or _EMNIST.search(path.parent.name):
        upright = np.ascontiguousarray(data.images.transpose(0, 1, 3, 2))
        data = replace(data, images=upright, notes=(*data.notes, "turned upright: EMNIST's images lie on their side"))
    return data


def range_fault(images: NDArray[np.uint8]) -> str | None:
    """A sentence with the remedy if the pixels (N, C, H, W) use a small part of 0..255 only, else None."""
    largest = int(images.max()) if images.size else 0
    if not 0 < largest <= SMALL_RANGE:
        return None
    means = next(value for value in (1, 2, 3, 4, 7, 8, 15, 16, 31, 32) if value >= largest)
    return f"the largest pixel is {largest}, where 255 is full ink: pass --scale {means}"
