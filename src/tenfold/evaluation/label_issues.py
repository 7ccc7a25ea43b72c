"""Labels that are probably wrong, from probabilities of a model that has not seen them: confident learning.

C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021.
The figures equal those of cleanlab's ``find_label_issues(filter_by="confident_learning")``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import MOST_IDS, Finding, row_id, share_of
from tenfold.data.streams import read_cells
from tenfold.errors import DataError, IntegrityError, Problem, printable
from tenfold.evaluation.metrics import Labels, Probabilities, check_probabilities
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions

_ROUNDING = 1e-6
_LEAST_THRESHOLD = 2e-6


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """What confident learning makes of N labels.

    Attributes:
        rows: (S,) the suspected rows, worst first: those whose label was given the least probability.
        quality: float64 (N,), the probability that each row's own label was given ("self-confidence").
        suggested: int64 (N,), the most probable class of each row.
        joint: int64 (K, K), rows confidently counted by given label (row) and likely true class (column).
    """

    rows: NDArray[np.int64]
    quality: NDArray[np.float64]
    suggested: NDArray[np.int64]
    joint: NDArray[np.int64]

    def worst(self, count: int) -> NDArray[np.int64]:
        """The ``count`` rows of least quality, suspected or not, worst first."""
        return np.argsort(self.quality, kind="stable")[:count]


def label_issues(labels: Labels, probabilities: Probabilities) -> LabelIssues:
    """The rows whose label is confidently another class.

    A row belongs confidently to a class if its probability reaches the mean probability that rows labelled so
    get; if it reaches several, to the most probable of them. Classes that are hard for the model thus ask less.

    Args:
        labels: (N,) as given.
        probabilities: (N, K), each row by a model that was not trained on it: out of fold, or of a test set.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.
    """
    check_probabilities(labels, probabilities)
    likely = probabilities.astype(np.float64)
    classes = likely.shape[1]
    quality = likely[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=classes)
    thresholds = np.bincount(labels, weights=quality, minlength=classes) / np.maximum(counts, 1)
    thresholds = np.where(
        counts > 0, np.maximum(thresholds, _LEAST_THRESHOLD), np.inf
    )  # nothing is known of an absent class
    confident = likely >= thresholds - _ROUNDING
    suggested = likely.argmax(axis=1)
    true = np.where(confident.sum(axis=1) > 1, suggested, confident.argmax(axis=1))
    sure = confident.any(axis=1)
    joint = np.bincount(labels[sure] * classes + true[sure], minlength=classes**2).reshape(classes, classes)
    rows = np.flatnonzero(sure & (true != labels) & (suggested != labels))
    return LabelIssues(rows[np.argsort(quality[rows], kind="stable")], quality, suggested, joint)


MANY = 1 / 1000
"""Above this share of suspected labels they are worth a warning."""


@dataclass(frozen=True, eq=False)
class Suspects:
    """Suspected labels, worst first.

    Attributes:
        data: the images, with their labels as given.
        rows: int64 (S,), their rows in ``data``.
        suggested: int64 (S,), the class that the model takes each for.
        probabilities: float32 (S, K), what the model says of each.
        judged: how many images of ``data`` the model was asked about.
    """

    data: Dataset
    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    judged: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def given(self) -> NDArray[np.int64]:
        """(S,) their labels."""
        return self.data.truth[self.rows]

    @property
    def quality(self) -> NDArray[np.float32]:
        """(S,) the probability that each label was given."""
        return self.probabilities[np.arange(len(self.rows)), self.given]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values, worst first."""
        names = self.data.class_names
        rows = zip(self.rows, self.given, self.suggested, self.quality, strict=True)
        suspects = [
            {
                "id": row_id(self.data, row),
                "label": names[given],
                "suggested": names[read],
                "probability": float(quality),
            }
            for row, given, read, quality in rows
        ]
        return {"judged": self.judged, "suspects": suspects}

    def finding(self) -> Finding:
        """As a check of the data."""
        of = "images" if self.judged == len(self.data) else f"images that were judged, of {len(self.data):,},"
        if not len(self):
            return Finding(
                "suspected-labels", "note", 0, self.judged, f"no label of the {self.judged:,} {of} is suspected"
            )
        message = (
            f"the labels of {share_of(len(self), self.judged, of)} are probably wrong; look at them with: tenfold data"
            " review"
        )
        severity = "warning" if len(self) > MANY * self.judged else "note"
        names = self.data.class_names
        counts: dict[str, Any] = {}
        for given, suggested in zip(self.given, self.suggested, strict=True):
            pair = f"{names[given]} looks like {names[suggested]}"
            counts[pair] = counts.get(pair, 0) + 1
        details = {"counts": dict(sorted(counts.items(), key=lambda item: -item[1]))}
        ids = tuple((row_id(self.data, row),) for row in self.rows[:MOST_IDS])
        return Finding("suspected-labels", severity, len(self), self.judged, message, ids, details)  # type: ignore[arg-type]


def suspected_labels(data: Dataset, seen: Predictions) -> Suspects:
    """The labels of ``data`` that are confidently another class, by confident learning.

    Args:
        data: labelled images.
        seen: predictions of all or some of them, found by their ids, each by a model that has not learnt from it. Their
            own labels play no part.

    Raises:
        IntegrityError: predictions of images that the data do not have, or of other classes.
    """
    if data.labels is None:
        raise IntegrityError("these images have no labels that could be suspected")
    classes = seen.probabilities.shape[1]
    if classes != len(data.class_names):
        raise IntegrityError(f"the predictions are of {classes} classes, the data of {len(data.class_names)}")
    place = {str(value): row for row, value in enumerate(data.ids.tolist())}
    known = [place.get(str(value)) for value in seen.ids.tolist()]
    if None in known:
        stranger = seen.ids[known.index(None)]
        raise IntegrityError(f"there is a prediction of the image {printable(stranger)}, which the data do not have")
    rows = np.array(known, dtype=np.int64)
    if not len(rows):
        raise IntegrityError("there is no prediction of any image")
    found = label_issues(data.labels[rows], seen.probabilities)
    return Suspects(data, rows[found.rows], found.suggested[found.rows], seen.probabilities[found.rows], len(rows))


COLUMNS = ("id", "label", "decision", "new_label")
KEEP, RELABEL, UNCLEAR = "keep", "relabel", "cannot tell"
Verdict = Literal["keep", "relabel", "cannot tell"]
LARGEST = 256 << 20


@dataclass(frozen=True)
class Decision:
    """About the image ``id``, whose class was ``label`` when it was looked at; ``new_label`` is empty unless it
    changes.

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
    rows = read_cells(path, LARGEST)
    _, header = next(rows)
    if tuple(header) != COLUMNS:
        raise DataError(
            Problem(path, f"the columns {', '.join(header) or 'of an empty file'}", ", ".join(COLUMNS), row=1,
                    hint="the page of `tenfold data review` saves such a file")
        )  # fmt: skip
    return [_decision(path, row, cells) for row, cells in rows]


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
    label = data.class_names[data.truth[place[image]]]
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
