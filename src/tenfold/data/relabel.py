"""What a person decided about suspected labels, applied to the data."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np

from tenfold.data.files import open_stream
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset

COLUMNS = ("id", "label", "decision", "new_label")
KEEP, RELABEL, UNCLEAR = "keep", "relabel", "cannot tell"
Verdict = Literal["keep", "relabel", "cannot tell"]
LARGEST = 256 << 20


@dataclass(frozen=True)
class Decision:
    """About the image ``id``, whose class was ``label`` when it was looked at; ``new_label`` is empty unless it changes.

    ``row`` is the line of the file, counted from 1.
    """

    id: str
    label: str
    decision: Verdict
    new_label: str
    row: int


def read_decisions(path: Path) -> list[Decision]:
    """The table that the page of ``tenfold data review`` saves.

    Raises:
        DataError: not such a table; the message names row and column.
        ResourceError: the operating system refused.
    """
    with open_stream(path, LARGEST) as stream:
        content = stream.read_exactly(LARGEST)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(Problem(path, "bytes that are not UTF-8", "a table as text")) from error
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows, [])
    if tuple(header) != COLUMNS:
        raise DataError(
            Problem(path, f"the columns {', '.join(header) or 'of an empty file'}", ", ".join(COLUMNS), row=1,
                    hint="the page of `tenfold data review` saves such a file")
        )  # fmt: skip
    return [_decision(path, row, cells) for row, cells in enumerate(rows, 2)]


def relabelled(data: Dataset, decisions: Sequence[Decision], path: Path, *, drop_unclear: bool = False) -> Dataset:
    """``data`` with the decisions applied; a note says what was done.

    Args:
        data: the images that were looked at, with the labels they had then.
        decisions: one an image at most.
        path: of the file they are from, for messages.
        drop_unclear: leave out the images of which nobody can tell what they show; otherwise they keep their labels.

    Raises:
        DataError: an image or a class that the data do not have, a label that is not the data's, or one image twice.
    """
    if data.labels is None:
        raise DataError(Problem(path, "decisions about labels", "data with labels to apply them to"))
    place = {str(value): row for row, value in enumerate(data.ids.tolist())}
    names = {name: number for number, name in enumerate(data.class_names)}
    labels = data.labels.copy()
    problems, unclear, seen = [], [], Counter[str]()
    for decision in decisions:
        found = list(_problems(data, decision, path, place, names, seen))
        problems += found
        if found:
            continue
        row = place[_unquoted(decision.id, place)]
        if decision.decision == RELABEL:
            labels[row] = names[_unquoted(decision.new_label, names)]
        elif decision.decision == UNCLEAR:
            unclear.append(row)
    if problems:
        raise DataError(*problems)
    changed = int((labels != data.labels).sum())
    dropped = len(unclear) if drop_unclear else 0
    counts = f"{changed:,} label{'s' * (changed != 1)} changed, {dropped:,} image{'s' * (dropped != 1)} left out"
    note = f"{path.name}: {counts} of {len(decisions):,} looked at"
    result = replace(data, labels=labels, notes=(*data.notes, note))
    return result.take(np.setdiff1d(np.arange(len(data)), unclear)) if drop_unclear else result


def _decision(path: Path, row: int, cells: list[str]) -> Decision:
    if len(cells) != len(COLUMNS):
        raise DataError(Problem(path, f"{len(cells)} cells", f"{len(COLUMNS)}: {', '.join(COLUMNS)}", row=row))
    if cells[2] not in (KEEP, RELABEL, UNCLEAR):
        expected = f"{KEEP}, {RELABEL} or {UNCLEAR}"
        raise DataError(Problem(path, repr(cells[2]), expected, row=row, column=3, column_name=COLUMNS[2]))
    if bool(cells[3]) != (cells[2] == RELABEL):
        expected = "a class to relabel to" if cells[2] == RELABEL else f"nothing, as the decision is {cells[2]!r}"
        raise DataError(Problem(path, repr(cells[3]), expected, row=row, column=4, column_name=COLUMNS[3]))
    return Decision(cells[0], cells[1], cast(Verdict, cells[2]), cells[3], row)


def _problems(
    data: Dataset, decision: Decision, path: Path, place: dict[str, int], names: dict[str, int], seen: Counter[str]
) -> Iterator[Problem]:
    image = _unquoted(decision.id, place)
    seen[image] += 1
    if image not in place:
        yield Problem(path, f"the id {decision.id!r}", "one of the data", row=decision.row, column=1, column_name="id")
        return
    if seen[image] > 1:
        yield Problem(path, f"the id {decision.id!r} again", "each once", row=decision.row, column=1, column_name="id")
    assert data.labels is not None
    label = data.class_names[data.labels[place[image]]]
    if _unquoted(decision.label, names) != label:
        yield Problem(
            path, repr(decision.label), f"{label!r}, the image's label in the data", row=decision.row, column=2,
            column_name="label", hint="these decisions are about other data, or were applied before",
        )  # fmt: skip
    if decision.new_label and _unquoted(decision.new_label, names) not in names:
        expected = f"one of the classes {', '.join(data.class_names)}"
        yield Problem(path, repr(decision.new_label), expected, row=decision.row, column=4, column_name="new_label")


def _unquoted(text: str, known: dict[str, int]) -> str:
    """``text`` without the apostrophe that keeps spreadsheets from computing it."""
    return text[1:] if text.startswith("'") and text not in known else text
