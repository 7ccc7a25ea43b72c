"""One look at a source decides how it is read: which part is asked for, which way is up, how far the pixels reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

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
DIGITS = tuple("0123456789")
"""The classes where nothing says otherwise."""
MOST_CLASSES = 1000
"""So many different labels can be classes without being named."""
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
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


@dataclass(frozen=True)
class Classes:
    """What labels as they are written mean.

    Attributes:
        names: of the K classes.
        numbers: the class 0..K-1 of a label, by its text.
        note: what was taken for granted about them, or None.
    """

    names: tuple[str, ...]
    numbers: dict[str, int]
    note: str | None = None

    @property
    def rule(self) -> str:
        """What a label has to be."""
        if self.names == tuple(map(str, range(len(self.names)))):
            return f"0..{len(self.names) - 1}"
        shown = f"one of {', '.join(map(printable, self.names[:30]))}{', ...' if len(self.names) > 30 else ''}"
        return f"0..{len(self.names) - 1}, or {shown}" if "0" in self.numbers and "0" not in self.names else shown


def classes_of(labels: Iterable[str], names: Sequence[str] | None = None) -> Classes:
    """The classes of a source, from the different labels in it.

    Words and letters are classes as they are, whole numbers are the digits unless ``names`` says otherwise. Labels
    that count from 1 (1..26), and digits with 10 for 0, are recognised by all of their numbers being there.

    Args:
        labels: the different ones, in any order.
        names: of the classes, if they are known; a label is a name or, where the names are no numbers, its place.
    """
    found = set(labels)
    numbers = sorted(map(int, found)) if all(map(_WHOLE.fullmatch, found)) else []
    from_one = len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1))
    if (names is None or tuple(names) == DIGITS) and from_one and len(numbers) == 10:
        ten_for_zero = {str(digit or 10): digit for digit in range(10)}
        note = "label 10 was read as the digit 0; for ten other classes: --classes 1..10"
        return Classes(DIGITS, ten_for_zero, note)
    if names is not None:
        places = {name: number for number, name in enumerate(names)}
        if not all(map(_WHOLE.fullmatch, names)):
            one = int(from_one and len(numbers) == len(names))
            places |= {str(number + one): number for number in range(len(names))}
            return Classes(tuple(names), places, f"label 1 is {printable(names[0])}, the first class" if one else None)
        return Classes(tuple(names), places)
    if from_one and 10 < len(numbers) <= MOST_CLASSES:
        counted = tuple(map(str, numbers))
        note = f"the labels count from 1: the classes are {counted[0]}..{counted[-1]}"
        return Classes(counted, {name: number for number, name in enumerate(counted)}, note)
    if 1 < len(found) <= MOST_CLASSES and not any(
        re.search(r"^[-+.]?[0-9]|^\s*$|^nan$", label, re.I) for label in found
    ):
        words = tuple(sorted(found))
        shown = ", ".join(map(printable, words[:6])) + (", ..." if len(words) > 6 else "")
        return Classes(words, {name: number for number, name in enumerate(words)}, f"the labels are words: {shown}")
    return Classes(DIGITS, {name: number for number, name in enumerate(DIGITS)})


def ways_to_name(labels: Iterable[str]) -> str:
    """The option that makes classes of these labels: ``--classes 0..8,10..24``."""
    found = set(labels)
    if not all(map(_WHOLE.fullmatch, found)) or len(found) > MOST_CLASSES:
        return "for other classes: --classes NAME,NAME,..."
    runs = []
    for _, run in groupby(enumerate(sorted(map(int, found))), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in run]
        runs.append(f"{values[0]}..{values[-1]}" if len(values) > 1 else str(values[0]))
    return f"if these are the classes: --classes {','.join(runs)}" if len(runs) <= 20 else "name them: --classes"


def numbered(
    labels: NDArray[Any], names: Sequence[str] | None, where: Path, array: str
) -> tuple[NDArray[np.int64], Classes]:
    """Labels (N,), whole numbers or text, as classes 0..K-1.

    Raises:
        DataError: a label is none of the classes; the message names the first, and the option for other classes.
    """
    values, places = np.unique(labels, return_inverse=True)
    texts = [str(value) for value in values.tolist()]
    classes = classes_of(texts, names)
    known = np.array([classes.numbers.get(text, -1) for text in texts], dtype=np.int64)
    numbers: NDArray[np.int64] = known[places.reshape(-1)]
    bad = np.flatnonzero(numbers < 0)
    if len(bad):
        found = f"{array} with label {printable(str(labels[bad[0]]))} at index {bad[0]:,}"
        raise DataError(Problem(where, found, classes.rule, hint=f"{len(bad):,} such labels; {ways_to_name(texts)}"))
    return numbers, classes
