"""A table as CSV text that a spreadsheet cannot be talked into running."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from itertools import chain

_STARTS_FORMULA = tuple("=+-@＝＋－＠")
"""The wide ones compute too."""
_BLANKS = ("\t", "\r", "\n")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Header and rows, comma-separated, LF at the end of every line, quotes only where needed."""
    lines = _Lines()
    # Python's writer quotes a carriage return, at which a spreadsheet begins another row, only where it is part of a line's end
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in chain([header], rows))
    return "".join(lines)


class _Lines(list[str]):
    def write(self, line: str) -> None:
        """Take a line with CRLF at its end as one with LF."""
        self.append(line[:-2] + "\n")


def safe_cell(value: object) -> str:
    """``value`` as the text of a cell; text that a spreadsheet would compute gets an apostrophe in front.

    See OWASP, "CSV injection". Numbers stay as they are, the sign included.
    """
    text = str(value)
    acts = text.lstrip().startswith(_STARTS_FORMULA) or text.startswith(_BLANKS)
    return f"'{text}" if acts and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not any(c in text for c in _BLANKS)
