"""What the columns of a table of pixels are: which is the label, and which pixel is where."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.errors import DataError, Problem, printable

LABEL = "label"
LABEL_COLUMNS = (LABEL, "labels", "class", "target", "digit", "y", "classes", "character")
"""Names of a label's column, in any case; the first that is there counts."""
_ID_COLUMNS = frozenset({"id", "imageid", "image_id", "index", "unnamed: 0", "row", "row_id"})
"""Names of a column that numbers the rows, in any case; so does a first one without a name, as pandas writes it."""
MANY = 16
"""From so many columns on, bare numbers that count up are their names."""
_PIXEL = re.compile(r"(?:pixel|pixel_|pix|px|p|x|)([0-9]{1,8})", re.IGNORECASE)
_CELL = re.compile(r"([0-9]{1,4})x([0-9]{1,4})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_OTHER_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'", " ": "spaces"}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things are in a line.

    Attributes:
        names: a name for each of the F fields.
        label: index of the label field, or None.
        pixels: int64 (P,), the field of each pixel, in the order of ``shape``.
        shape: (C, H, W) with C * H * W = P.
        notes: what the user should know.
        ids: index of a field that numbers the rows, or None.
    """

    names: tuple[str, ...]
    label: int | None
    pixels: NDArray[np.int64]
    shape: tuple[int, int, int]
    notes: tuple[str, ...] = ()
    ids: int | None = None

    @property
    def fields(self) -> int:
        return len(self.names)

    def pixel_columns(self) -> slice | NDArray[np.int64]:
        """An index for ``values[:, index]``; a slice where the pixels stand side by side, because that is quicker."""
        first = int(self.pixels[0])
        if np.array_equal(self.pixels, np.arange(first, first + len(self.pixels))):
            return slice(first, first + len(self.pixels))
        return self.pixels


def layout_of_header(line: bytes, path: Path | str, role: Role, options: ReadOptions) -> Layout:
    """The layout that the first line of a table declares.

    Args:
        line: without its line end.
        path: for messages.
        role: a "train" table must have labels.
        options: ``shape``, where the image is not one square.

    Raises:
        DataError: a column is missing, unknown or there twice, or this is not a header at all.
    """

    def fault(found: str, expected: str, column: int | None = None, hint: str | None = None) -> DataError:
        name = names[column - 1] if column else None
        return DataError(Problem(path, found, expected, row=1, column=column, column_name=name, hint=hint))

    names: tuple[str, ...] = ()
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise fault("text that is not UTF-8 (looks like Latin-1)", "UTF-8", hint="save the table as UTF-8") from None
    names = tuple(_unquoted(name) for name in text.split(","))
    counted = counts_columns(line)
    if counted and role == "train":
        raise fault(f"the numbers {counted} as column names", f"a column {LABEL!r}", hint="name the label's column")
    if all(_NUMBER.fullmatch(name) for name in names) and not counted:
        raise fault("numbers only: line 1 looks like data", "column names", hint="pass --no-header")
    if len(names) == 1:
        for separator, shown in _OTHER_SEPARATORS.items():
            if separator in text:
                raise fault(f"1 column; looks separated by {shown}", "columns separated by ','")
    seen: dict[str, int] = {}
    for column, name in enumerate(names, start=1):
        if name in seen:
            raise fault(f"{_shown(name)} in columns {seen[name]} and {column}", "each column name once", column)
        seen[name] = column

    chosen = label_column(names, options)
    if chosen is None and options.label_column is not None:
        raise fault(
            f"no column {options.label_column!r}",
            f"the labels, by --label-column; the first columns are {', '.join(map(_shown, names[:4]))}",
        )
    label = None if chosen is None else names.index(chosen)
    if label is None and role == "train":
        hint = "is this the test file? Else name the column: --label-column NAME"
        raise fault(f"no column {LABEL!r}", "labels to train on", hint=hint)
    ids = [index for index, name in enumerate(names) if _is_id(index, name, options)]
    if len(ids) > 1:
        raise fault(f"{_shown(names[ids[1]])}, a second column of ids", "one; name it: --id-column NAME", ids[1] + 1)
    if options.id_column is not None and not ids:
        raise fault(
            f"no column {options.id_column!r}",
            f"the ids, by --id-column; the first columns are {', '.join(map(_shown, names[:4]))}",
        )
    order: dict[tuple[int, int], int] = {}
    for column, name in enumerate(names, start=1):
        if column - 1 in (label, *ids):
            continue
        place = _pixel_place(name) if len(names) >= MANY or not name.isdigit() else None
        if place is None:
            found = f"a column named {_shown(name)}" if name else "a column without a name"
            hint = "is it the label, or an id? --label-column NAME, --id-column NAME"
            raise fault(found, f"{LABEL!r}, and pixel0, pixel1, ... and nothing else", column, hint)
        if place in order:
            raise fault(f"{_shown(name)}, the same pixel as column {order[place] + 1}", "each pixel once", column)
        order[place] = column - 1
    if not order:
        submission = [name.lower() for name in names] == ["imageid", "label"]
        check = f"this is a submission: tenfold submit --check {printable(str(path))}"
        raise fault("no pixel columns", "pixel0, pixel1, ...", hint=check if submission else None)
    missing = _first_gap(sorted(order))
    if missing is not None:
        raise fault(
            f"no column {missing!r}", "every pixel from the first to the last", hint="the images would be shifted"
        )
    pixels = np.array([order[place] for place in sorted(order)], dtype=np.int64)

    shape = options.shape or _square(len(pixels))
    if shape is None or math.prod(shape) != len(pixels):
        last = int(pixels[-1])
        found, expected, hint = _wrong_count(len(pixels), names[last], options.shape)
        raise fault(found, expected, last + 1, hint)
    notes = []
    if label is not None and names[label].lower() != LABEL:
        notes.append(f"column {_shown(names[label])} is the label")
    if ids:
        name = _shown(names[ids[0]]) if names[ids[0]] else "without a name"
        notes.append(f"column {name} numbers the rows; it is no pixel, and ids count from 1 as ever")
    ends = [names[int(pixels[place])] for place in (0, -1)]
    if not ends[0].startswith("pixel") and not _CELL.fullmatch(ends[0]):
        notes.append(f"columns {ends[0]!r}..{ends[1]!r} are the pixels")
    if label is not None and role == "test":
        notes.append(f"the test table has a column {LABEL!r}; it is used for evaluation only")
    if not np.array_equal(pixels, np.sort(pixels)):
        notes.append("the pixel columns are in another order; they were put right by their names")
    return Layout(names, label, pixels, shape, tuple(notes), ids[0] if ids else None)


def label_column(names: Sequence[str], options: ReadOptions) -> str | None:
    """The name of the column of labels, or None: the one that ``options`` names, or a usual one in any case."""
    if options.label_column is not None:
        return options.label_column if options.label_column in names else None
    return next((name for usual in LABEL_COLUMNS for name in names if name.lower() == usual), None)


def _is_id(index: int, name: str, options: ReadOptions) -> bool:
    if options.id_column is not None:
        return name == options.id_column
    return name.lower() in _ID_COLUMNS or (index == 0 and name == "")


def layout_of_fields(fields: int, path: Path, role: Role, options: ReadOptions) -> Layout:
    """The layout of a table without a header: pixels in order, after the label if there is one.

    Raises:
        DataError: the number of fields fits no image.
    """
    for label in (0, None):
        pixels = fields if label is None else fields - 1
        shape = options.shape or _square(pixels)
        if shape and pixels > 0 and math.prod(shape) == pixels and not (label is None and role == "train"):
            names = tuple(f"pixel{index}" for index in range(pixels))
            columns = np.arange(fields - pixels, fields, dtype=np.int64)
            return Layout((LABEL, *names) if label == 0 else names, label, columns, shape)
    pixels = fields - 1 if role == "train" else fields
    found, expected, hint = _wrong_count(pixels, f"pixel{pixels - 1}", options.shape)
    raise DataError(Problem(path, found, expected, row=1, hint=hint))


def counts_columns(line: bytes) -> str | None:
    """``0..63`` if a first line counts its columns from 0 or 1: that is a header, and no image."""
    fields = [field.strip(b' "\r\n') for field in line.split(b",")]
    for start in (0, 1):
        if len(fields) >= MANY and all(field == b"%d" % n for n, field in enumerate(fields, start)):
            return f"{start}..{start + len(fields) - 1}"
    return None


def _unquoted(name: str) -> str:
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:37] + "...")


def _pixel_place(name: str) -> tuple[int, int] | None:
    """Sort key of a pixel column: ``pixel5`` is (-1, 5), ``2x3`` (row, column) is (2, 3)."""
    if match := _PIXEL.fullmatch(name):
        return -1, int(match[1])
    if match := _CELL.fullmatch(name):
        return int(match[1]), int(match[2])
    return None


def _first_gap(places: list[tuple[int, int]]) -> str | None:
    """The name of the first pixel column that is not there; counting may start at 0 or at 1."""
    if places[0][0] == -1:
        start = min(places[0][1], 1)
        return next((f"pixel{n}" for n, place in enumerate(places, start) if place != (-1, n)), None)
    base = min(places[0][0], 1)
    width = max(column for _, column in places) - base + 1
    wanted = ((base + n // width, base + n % width) for n in range(len(places)))
    return next(
        (f"{row}x{column}" for (row, column), place in zip(wanted, places, strict=True) if place != (row, column)), None
    )


def _square(pixels: int) -> tuple[int, int, int] | None:
    side = math.isqrt(pixels)
    return (1, side, side) if side * side == pixels else None


def _wrong_count(pixels: int, last_name: str, shape: tuple[int, int, int] | None) -> tuple[str, str, str]:
    """(found, expected, hint) for a number of pixels that fits no image."""
    if shape is not None:
        return (
            f"{pixels} pixels",
            f"{math.prod(shape)} = {' x '.join(map(str, shape))}",
            f"correct --shape or the table; other sizes: --resize {shape[1]}x{shape[2]}",
        )
    found = f"{pixels} pixels: give --shape CxHxW"
    side = math.isqrt(pixels)
    if pixels == side * side + 1:
        return found, f"{side * side} for an image of {side}x{side}", f"is column {last_name!r} one too many?"
    if pixels == (side + 1) ** 2 - 1:
        lost = {f"pixel{pixels - 1}": f"column 'pixel{pixels}'", f"pixel{pixels}": "column 'pixel0'"}.get(
            last_name, "one"
        )
        return found, f"{pixels + 1} for an image of {side + 1}x{side + 1}", f"is {lost} missing?"
    if pixels % 3 == 0 and (colour := _square(pixels // 3)):
        return found, "a square image", f"for colour images: --shape 3x{colour[1]}x{colour[2]}"
    return found, "a square image, or --shape", "the numbers of --shape multiply to the number of pixel columns"
