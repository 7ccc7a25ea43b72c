"""The careful reader of table lines: takes the documented variants, and names what is wrong with everything else."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions
from tenfold.data.layout import Classes
from tenfold.data.sources._csv_header import Layout
from tenfold.errors import SHOWN_PROBLEMS, DataError, Problem

_COMMA, _NEWLINE, _ZERO = b",\n0"
_KEPT = 16 * 1024**2


def parse_digits(block: bytes, fields: int) -> NDArray[np.uint8] | None:
    """The values of ``block``, or None if it is not exactly lines of ``fields`` numbers from 0 to 255.

    It is right by construction: every byte is a digit, a comma or a newline, every newline is the
    ``fields``-th separator after the one before, and every field has one to three digits. There is no
    step per field but one: looking for the ends of fields; the others are quicker over all bytes, and
    quickest where a value takes one byte.

    Args:
        block: whole lines, not empty; the last one may lack its newline, which makes the answer None.
        fields: fields a line.

    Returns:
        uint8 (lines, fields).
    """
    text = np.frombuffer(block, np.uint8)
    digits = text - np.uint8(_ZERO)
    is_digit = digits <= 9
    if text[-1] != _NEWLINE or not is_digit[0]:
        return None
    last_digits = np.flatnonzero(digits[1:] > 9)  # of each field, because a separator follows and none is empty
    newlines = np.flatnonzero(text == _NEWLINE)
    if len(last_digits) != fields * len(newlines) or (last_digits[fields - 1 :: fields] + 1 != newlines).any():
        return None
    if np.count_nonzero(text == _COMMA) + len(newlines) != len(last_digits):
        return None
    two = is_digit[:-1] & is_digit[1:]
    if not (is_digit[:-1] | is_digit[1:]).all() or (two[:-2] & two[2:]).any():
        return None
    digits *= is_digit.view(np.uint8)
    values = digits.copy()
    values[1:] += digits[:-1] * np.uint8(10)
    hundreds = digits[:-2] * (two[:-1] & is_digit[2:]).view(np.uint8)
    if hundreds.max(initial=0) > 2:
        return None
    hundreds *= np.uint8(100)
    values[2:] += hundreds
    if (values[2:] < hundreds).any():  # 256 and above wrapped around
        return None
    # where a separator stands, the sums above mean nothing; they are not taken
    return values.take(last_digits).reshape(-1, fields)


def keep_freed_memory() -> None:
    """Make the allocator keep what the steps free, to hand it out again.

    By default glibc gives each freed megabyte back to the system, and asking for it again takes longer
    than the arithmetic. Having once freed a large piece, it keeps anything smaller; elsewhere this does nothing.
    """
    np.empty(_KEPT, np.uint8)


LONGEST_FIELD = 131_072
LONGEST_LINE = 4 * 1024**2  # 150,528 pixels (3 x 224 x 224) of 25 characters fit
_REMEMBERED_SPELLINGS = 4096

_FIRST_FIELD = re.compile(rb"^[^,\n]*,", re.MULTILINE)
_INTEGER = re.compile(rb"[0-9]{1,1000}")
_DECIMAL = re.compile(rb"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


class CarefulReader:
    """Reads lines one by one and collects the first problem of every bad line.

    Args:
        path: for messages.
        layout: what each field is.
        options: which variants are allowed.
        classes: what the labels mean.
    """

    def __init__(self, path: Path, layout: Layout, options: ReadOptions, classes: Classes) -> None:
        self.path = path
        self.layout = layout
        self.problems: list[Problem] = []
        self.total = 0
        self._blank_row: int | None = None
        pixels = _Spellings(
            255, f"a whole number; a pixel must be 0..255{_of_scale(options.scale)}", options, options.scale
        )
        labels = _Labels(classes, options)
        self._pixels = pixels
        self._spellings: list[_Spellings | _Anything] = [
            labels if index == layout.label else _ANY if index == layout.ids else pixels
            for index in range(layout.fields)
        ]

    def parse(self, block: bytes, first_row: int) -> NDArray[np.uint16]:
        """The values of the lines of ``block``, uint16 (lines, fields); bad and blank lines are left out.

        Args:
            block: whole lines; the last one may lack its newline at the end of the file.
            first_row: number of the first line in the file, from 1.
        """
        if self.layout.ids == 0:  # numbers without end, which nobody remembers
            block = _FIRST_FIELD.sub(b"0,", block)
        lines = block.split(b"\n")
        complete = lines[-1] == b""
        if complete:
            lines.pop()
        good = []
        for row, line in enumerate(lines, start=first_row):
            if not line.strip(b" \t"):
                self._blank_row = self._blank_row or row
                continue
            values = self._values(line, row, cut=not complete and line is lines[-1])
            if values is not None:
                good.append(values)
        return np.array(good, dtype=np.uint16).reshape(-1, self.layout.fields)

    def raise_if_any(self) -> None:
        """Raise the problems found so far as one :class:`DataError`."""
        if self.total:
            raise DataError(*self.problems, total=self.total)

    def refuse_blank_before(self, row: int) -> None:
        """Blank lines are welcome at the end only: call this before lines that follow."""
        if self._blank_row is not None:
            self._add(self._blank_row, None, "a blank line", "lines without gaps", "image numbers would be shifted")
            self._blank_row = None

    def too_long(self, line: bytes, row: int) -> None:
        """Report a line that does not end within :data:`LONGEST_LINE` bytes."""
        if not self._long_field(line, row):
            self._add(row, None, f"a line of more than {LONGEST_LINE:,} characters", f"{self.layout.fields} fields")

    def _values(self, line: bytes, row: int, cut: bool) -> list[int] | None:
        """The values of one line, or None after reporting its first problem."""
        self.refuse_blank_before(row)
        fields = line.split(b",")
        if self._long_field(line, row) or self._open_quote(fields, row) or self._wrong_count(fields, row, cut):
            return None
        try:
            return [spellings[field] for spellings, field in zip(self._spellings, fields, strict=True)]
        except ValueError:
            self._bad_value(fields, row)
            return None

    def _long_field(self, line: bytes, row: int) -> bool:
        if len(line) <= LONGEST_FIELD:
            return False
        for column, field in enumerate(line.split(b","), start=1):
            if len(field) > LONGEST_FIELD:
                self._add(row, column, f"a field of {len(field):,} characters", f"at most {LONGEST_FIELD:,} characters")
                return True
        return False

    def _open_quote(self, fields: list[bytes], row: int) -> bool:
        for column, field in enumerate(fields, start=1):
            if b'"' in field and field.strip(b" \t").startswith(b'"') and field.count(b'"') == 1:
                self._add(row, column, f"{_shown(field)}: a quote opens and is not closed", "a closing quote")
                return True
        return False

    def _wrong_count(self, fields: list[bytes], row: int, cut: bool) -> bool:
        count, expected = len(fields), self.layout.fields
        if cut and (count < expected or (count == expected and not fields[-1].strip(b" \t"))):
            found = f"{_plural(count)} and no line end: last line incomplete"
            self._add(row, None, found, str(expected), "the file may be truncated; copy it again")
        elif count == expected + 1 and not fields[-1].strip(b" \t"):
            found = f"an empty {_ordinal(count)} field"
            self._add(row, count, found, f"{expected} fields", "remove the comma at the end of the line")
        elif count != expected:
            separator = next(
                (name for byte, name in ((b";", "';'"), (b"\t", "a tab")) if count == 1 and byte in fields[0]), None
            )
            hint = f"it looks separated by {separator}" if separator else None
            self._add(row, min(count, expected + 1) if count > expected else None, _plural(count), str(expected), hint)
        else:
            return False
        return True

    def _bad_value(self, fields: list[bytes], row: int) -> None:
        for index, (spellings, field) in enumerate(zip(self._spellings, fields, strict=True)):  # pragma: no branch
            try:
                spellings[field]
            except ValueError:
                found = _shown(field) if field.strip(b" \t") else "an empty cell"
                hint = None
                if index != self.layout.label and spellings.scale is None and _DECIMAL.fullmatch(_bare(field)):
                    hint = self._decimal_hint(fields)
                self._add(row, index + 1, found, spellings.rule, hint)
                return

    def _decimal_hint(self, fields: list[bytes]) -> str | None:
        pixels = [_bare(fields[index]) for index in self.layout.pixels]
        if all(_DECIMAL.fullmatch(field) and float(field) <= 1 for field in pixels):
            return "looks scaled to 0..1; use --scale 1"
        if all(_DECIMAL.fullmatch(field) and float(field).is_integer() and float(field) <= 255 for field in pixels):
            return "if these are whole numbers written as decimals, pass --allow-float-integers"
        return None

    def _add(self, row: int, column: int | None, found: str, expected: str, hint: str | None = None) -> None:
        self.total += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            known = column is not None and column <= self.layout.fields
            name = self.layout.names[column - 1] if known and column is not None else None
            self.problems.append(Problem(self.path, found, expected, row, column, name, hint))


class _Spellings(dict[bytes, int]):
    """What each way of writing a number means, remembered; asking for a bad one raises ValueError."""

    def __init__(self, largest: int, rule: str, options: ReadOptions, scale: float | None) -> None:
        self.rule = rule
        self.scale = scale
        self._largest = largest
        self._decimals = options.allow_float_integers or scale is not None

    def __missing__(self, field: bytes) -> int:
        value = self._meaning(_bare(field))
        if not 0 <= value <= self._largest:
            raise ValueError(field)
        if len(self) < _REMEMBERED_SPELLINGS:
            self[field] = value
        return value

    def _meaning(self, text: bytes) -> int:
        if self.scale is None and _INTEGER.fullmatch(text):
            return int(text)
        if not self._decimals or not _DECIMAL.fullmatch(text):
            raise ValueError(text)
        number = float(text)
        if self.scale is not None:
            if number > self.scale:
                raise ValueError(text)
            return math.floor(255 * number / self.scale + 0.5)
        if not number.is_integer():
            raise ValueError(text)
        return int(number)


class _Labels(_Spellings):
    """The class 0..K-1 of each way of writing a label."""

    def __init__(self, classes: Classes, options: ReadOptions) -> None:
        kind = "a whole number" if "0" in classes.numbers else "a class"
        super().__init__(len(classes.names) - 1, f"{kind}; a label must be {classes.rule}", options, None)
        self._numbers = classes.numbers

    def _meaning(self, text: bytes) -> int:
        word = text.decode("utf-8", "surrogateescape")
        return self._numbers[word] if word in self._numbers else self._numbers.get(str(super()._meaning(text)), -1)


class _Anything(dict[bytes, int]):
    """Of cells that do not count."""

    scale = None
    rule = "anything"

    def __missing__(self, field: bytes) -> int:
        return 0


_ANY = _Anything()


def _bare(field: bytes) -> bytes:
    """``field`` without the spaces around it and without the quotes inside those."""
    field = field.strip(b" \t")
    return field[1:-1] if len(field) > 1 and field[:1] == field[-1:] == b'"' else field


def _shown(field: bytes) -> str:
    text = field[:44].decode("utf-8", "backslashreplace")
    return repr(text if len(field) <= 40 else text[:37] + "...")


def _plural(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _of_scale(scale: float | None) -> str:
    return f" after scaling, so 0..{scale:g} in the file" if scale is not None else ""
