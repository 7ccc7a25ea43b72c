"""Is this a submission that Kaggle will score as meant, and its way there. Shares no code with the writer."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenfold.data.streams import open_stream
from tenfold.errors import Problem, ResourceError, install_command, printable

HEADER = ("ImageId", "Label")
KAGGLE_ROWS = 28_000
LARGEST = 64 << 20
DIGIT_RECOGNIZER = "digit-recognizer"
TIMEOUT = 600.0


@dataclass(frozen=True)
class Finding:
    """Something unusual in a submission; ``harmless`` if the score will be right all the same."""

    problem: Problem
    harmless: bool = False


def check_submission(path: Path, expected_rows: int = KAGGLE_ROWS) -> list[Finding]:
    """What is wrong with the file, for ids 1..``expected_rows`` and the labels 0..9; empty if all is well.

    Raises:
        DataError: no such file, or none that can be read as one.
        ResourceError: the operating system refused.
    """
    with open_stream(path, LARGEST) as stream:
        content = stream.read_exactly(LARGEST)
    return examine(content, path, [str(i) for i in range(1, expected_rows + 1)], frozenset("0123456789"))


def examine(content: bytes, file: Path, ids: Sequence[str], labels: Collection[str]) -> list[Finding]:
    """What is wrong with a submission for these ``ids``, in this order, and ``labels``; in the order of the file."""
    return list(_Examination(content, file, ids, labels).findings())


class _Examination:
    def __init__(self, content: bytes, file: Path, ids: Sequence[str], labels: Collection[str]) -> None:
        self.content = content
        self.file = file
        self.ids = ids
        self.known = frozenset(ids)
        self.labels = labels
        self.is_submission = False

    def findings(self) -> Iterator[Finding]:
        if not self.content:
            yield self._fault("an empty file", f"the header {','.join(HEADER)} and {len(self.ids):,} rows")
            return
        try:
            text = self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            row = self.content[: error.start].count(b"\n") + 1
            yield self._fault("bytes that are not UTF-8", "plain text", row)
            return
        if text.startswith("\ufeff"):
            yield self._fault(
                "a byte order mark (BOM)", "the first letter of the header", 1, 1, hint="save as UTF-8 without BOM"
            )
            text = text[1:]
        yield from self._line_ends(text)
        if '"' in text:
            yield self._remark("quotes", "plain cells", *_place(text, text.index('"')))
        yield from self._table(text)

    def _line_ends(self, text: str) -> Iterator[Finding]:
        if lone := re.search(r"\r(?!\n)", text):
            yield self._fault("a carriage return inside a line", "lines that end in LF", *_place(text, lone.start()))
        elif "\r" in text:
            yield self._remark("Windows line ends (CRLF)", "LF", *_place(text, text.index("\r")))
        if not text.endswith("\n"):
            yield self._remark("a last line without a line end", "LF at its end", *_place(text, len(text)))

    def _table(self, text: str) -> Iterator[Finding]:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        seen: dict[str, int] = {}
        rows = 0
        in_order = True
        try:
            yield from self._header(next(reader, []))
            for cells in reader:
                row = reader.line_num
                if not cells:
                    yield self._fault("a blank line", "a row or the end of the file", row, 1)
                    continue
                rows += 1
                if len(cells) != len(HEADER):
                    column = min(len(cells), len(HEADER)) + 1
                    yield self._fault(f"{len(cells)} fields", f"{len(HEADER)} fields", row, column)
                    continue
                yield from self._id(cells[0], row, seen)
                yield from self._label(cells[1], row)
                place = rows - 1
                if in_order and cells[0] in self.known and place < len(self.ids) and cells[0] != self.ids[place]:
                    in_order = False
                    yield self._remark(f"{HEADER[0]} {cells[0]!r}", f"{self.ids[place]!r} in the usual order", row, 1)
        except csv.Error as error:
            yield self._fault(f"text that is not CSV ({error})", "two plain cells", max(reader.line_num, 1))
            return
        yield from self._missing(rows, seen, last_row=reader.line_num)

    def _header(self, cells: list[str]) -> Iterator[Finding]:
        self.is_submission = tuple(cells) == HEADER
        for column, name in enumerate(HEADER, start=1):
            found = cells[column - 1] if column <= len(cells) else None
            if found != name:
                yield self._fault("nothing" if found is None else repr(found), f"the header {name}", 1, column)
        if len(cells) > len(HEADER):
            yield self._fault(f"an extra column {cells[len(HEADER)]!r}", "two columns", 1, len(HEADER) + 1)

    def _id(self, cell: str, row: int, seen: dict[str, int]) -> Iterator[Finding]:
        if cell not in self.known:
            hint = "the ids count from 1" if cell == "0" else None
            expected = f"an id of the test set ({self.ids[0]} .. {self.ids[-1]})" if self.ids else "no row at all"
            yield self._fault(repr(cell), expected, row, 1, hint)
        elif cell in seen:
            yield self._fault(f"{cell!r} again (first in row {seen[cell]})", "every id once", row, 1)
        else:
            seen[cell] = row

    def _label(self, cell: str, row: int) -> Iterator[Finding]:
        if cell not in self.labels:
            whole = cell.removesuffix(".0")
            hint = f"write {whole}" if whole != cell and whole in self.labels else None
            shown = sorted(self.labels)
            names = ", ".join(shown[:10]) + (" ..." if len(shown) > 10 else "")
            yield self._fault(repr(cell), f"a label: {names}", row, 2, hint)

    def _missing(self, rows: int, seen: dict[str, int], last_row: int) -> Iterator[Finding]:
        if rows != len(self.ids):
            whole = rows == len(seen) and list(seen) == [str(i) for i in range(1, rows + 1)]
            hint = f"with --rows {rows} if the test set has so many" if whole else None
            yield self._fault(f"{rows:,} rows", f"{len(self.ids):,} rows", last_row, 1, hint)
            if whole or not self.is_submission:  # the ids of another number of rows, or no ids at all: said above
                return
        missing = [(place, name) for place, name in enumerate(self.ids) if name not in seen]
        for place, name in missing:
            yield self._fault(f"no row with {HEADER[0]} {name}", "one row for each id", place + 2, 1)

    def _fault(
        self, found: str, expected: str, row: int | None = None, column: int | None = None, hint: str | None = None
    ) -> Finding:
        return Finding(self._problem(found, expected, row, column, hint))

    def _remark(self, found: str, expected: str, row: int, column: int) -> Finding:
        return Finding(self._problem(found, expected, row, column, "harmless"), harmless=True)

    def _problem(self, found: str, expected: str, row: int | None, column: int | None, hint: str | None) -> Problem:
        name = HEADER[column - 1] if column is not None and column <= len(HEADER) else None
        return Problem(self.file, found, expected, row, column, name, hint)


def _place(text: str, index: int) -> tuple[int, int]:
    """(row, column) of the cell that holds the character at ``index``, both from 1."""
    line = text[:index].rpartition("\n")[2]
    return text.count("\n", 0, index) + 1, line.count(",") + 1


def upload(path: Path, message: str, competition: str = DIGIT_RECOGNIZER) -> str:
    """Submit the file ``path`` through the kaggle command, which keeps the token; what it says.

    Raises:
        ResourceError: the command is not installed, has no token, or did not succeed.
    """
    command = shutil.which("kaggle")
    if command is None:
        raise ResourceError(
            f"uploading needs the kaggle command, which is not installed; run: {install_command(None, 'kaggle')}. "
            "Then, on Kaggle: Settings, API, Create New Token, and put the file at ~/.kaggle/kaggle.json (chmod 600)"
        )
    arguments = [command, "competitions", "submit", "-c", competition, "-f", str(path), "-m", message]
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ResourceError(
            f"the kaggle command did not finish within {TIMEOUT:.0f} s; {path} is there, try again"
        ) from None
    except OSError as error:
        raise ResourceError(f"cannot run {command}: {error.strerror}") from error
    lines = [printable(line) for line in done.stdout.splitlines() if line.strip()]
    said = lines[-1] if lines else "nothing"
    # it leaves with 0 even when the competition does not take the file
    if done.returncode != 0 or "successfully submitted" not in done.stdout.lower():
        raise ResourceError(
            f"{path} is written, but the kaggle command did not submit it (exit code {done.returncode}): {said}. A"
            " token comes from Kaggle: Settings, API, Create New Token; the competition's rules must be accepted"
            " there, too"
        )
    return said
