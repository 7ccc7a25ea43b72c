"""The headline, the figures of each class, and which classes are taken for which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import Confidence, with_temperature
from tenfold.evaluation.metrics import ConfusedPair, Score, class_scores, confusion_matrix, most_confused_pairs, score
from tenfold.evaluation.significance import holm, two_shares, verdict
from tenfold.report.figures import Intervals, intervals
from tenfold.report.sections import Material, section
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Headline:
    """The scores of the labelled sets, the one that counts most first; none if no labels are known."""

    scores: list[Score]
    figure: Intervals | None
    apart: str
    """Whether the first two scores differ significantly; empty for fewer."""
    calibrated: Score | None = None
    """The first at the temperature that was learnt."""

    @property
    def main(self) -> Score | None:
        """The score in large type."""
        return self.scores[0] if self.scores else None


def headline(predictions: Mapping[str, Predictions], learnt: Confidence | None = None) -> Headline:
    """Scores of every non-empty set with labels, in the order given; ``learnt`` is from the rows held out."""
    scores = [score(split, made) for split, made in predictions.items() if made.labels is not None and len(made)]
    figure = intervals([(s.split, s.low, s.accuracy, s.high) for s in scores]) if scores else None
    calibrated = None
    if scores and learnt is not None:
        main = predictions[scores[0].split]
        scaled = with_temperature(main.probabilities, learnt.temperature)
        calibrated = score(scores[0].split, Predictions(main.ids, scaled, main.labels))
    return Headline(scores, figure, _apart(*scores[:2]) if len(scores) > 1 else "", calibrated)


def _apart(a: Score, b: Score) -> str:
    p = two_shares(a.n - a.errors, a.n, b.n - b.errors, b.n)
    return verdict(p, a.accuracy - b.accuracy, (a.split, b.split))


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class, NaN where undefined, with the images missed and those wrongly taken for it.

    ``against`` says whether its recall differs significantly from that of all other classes together (two shares,
    corrected after Holm for the number of classes); empty where there is nothing to compare.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    missed: int
    wrongly_taken: int
    against: str = ""


@dataclass(frozen=True)
class CountRow:
    """How often one class was predicted, where the truth is unknown; ``share`` of all images, 0..1."""

    name: str
    count: int
    share: float


def class_table(matrix: NDArray[np.int64], names: tuple[str, ...]) -> list[ClassRow]:
    """A row for each class of a (K, K) confusion matrix, true classes in rows."""
    scores = class_scores(matrix)
    hits, predicted = np.diagonal(matrix), matrix.sum(axis=0)
    against = _against_others(hits, scores.support)
    return [
        ClassRow(
            name=name,
            support=int(scores.support[k]),
            precision=float(scores.precision[k]),
            recall=float(scores.recall[k]),
            f1=float(scores.f1[k]),
            missed=int(scores.support[k] - hits[k]),
            wrongly_taken=int(predicted[k] - hits[k]),
            against=against[k],
        )
        for k, name in enumerate(names)
    ]


def _against_others(hits: NDArray[np.int64], support: NDArray[np.int64]) -> list[str]:
    total_hits, total = int(hits.sum()), int(support.sum())
    known = [k for k in range(len(support)) if 0 < support[k] < total]
    pairs = [(int(hits[k]), int(support[k]), total_hits - int(hits[k]), total - int(support[k])) for k in known]
    found = [""] * len(support)
    for k, pair, p in zip(known, pairs, holm([two_shares(*pair) for pair in pairs]), strict=True):
        right, n, others_right, others = pair
        found[k] = verdict(p, right / n - others_right / others, ("this", "others"))
    return found


def predicted_counts(predicted: NDArray[np.int64], names: tuple[str, ...]) -> list[CountRow]:
    """A row for each class, from predictions (N,)."""
    counts = np.bincount(predicted, minlength=len(names))
    total = max(len(predicted), 1)
    return [CountRow(name, int(count), int(count) / total) for name, count in zip(names, counts, strict=True)]


@section("classes", "Classes", 80)
def _classes(of: Material) -> dict[str, Any] | None:
    rows = [] if of.made is None or of.made.labels is None else class_table(_matrix(of), of.names)
    counts = [] if of.unlabelled is None else predicted_counts(of.unlabelled.predicted, of.names)
    return {"rows": rows, "counts": counts} if rows or counts else None


def _matrix(of: Material) -> NDArray[np.int64]:
    assert of.made is not None
    return confusion_matrix(of.made.truth, of.made.predicted, len(of.names))


@section(
    "confusion", "Confusion", 30, needs=("made",),
    sprites=lambda found: {"right": found["right"].sheet if found["right"] else None},
)  # fmt: skip
def _confusion(of: Material) -> dict[str, Any]:
    from tenfold.report.sections.learning import evolution  # they need this module
    from tenfold.report.sections.mistakes import Beside, read_right

    assert of.made is not None
    return {
        "matrix": confusion(_matrix(of)),
        "right": read_right(of.made, Beside(of.images)) if len(of.names) <= LARGEST else None,
        "evolution": evolution(of.histories, len(of.names), of.validation),
    }


LARGEST = 64
"""Classes up to which the whole matrix is shown; beyond, the most confused pairs stand for it."""
PAIRS = 8


@dataclass(frozen=True)
class Cell:
    """One cell: images, their share of the row and of the column, and how strongly to colour each, 0..1."""

    count: int
    share: float
    column_share: float
    count_heat: float
    share_heat: float
    column_heat: float
    is_diagonal: bool


@dataclass(frozen=True)
class Confusion:
    """``rows`` (K of K cells, by true class), or None if there are too many classes to show."""

    rows: list[list[Cell]] | None
    pairs: list[ConfusedPair]
    errors: int


def confusion(matrix: NDArray[np.int64]) -> Confusion:
    """The section for a (K, K) matrix, true classes in rows."""
    rows = None
    if len(matrix) <= LARGEST:
        shares, columns = _shares(matrix, axis=1), _shares(matrix, axis=0)
        heats = _heat(matrix), _heat(shares), _heat(columns)
        rows = [
            [
                Cell(
                    count=int(matrix[t, p]),
                    share=float(shares[t, p]),
                    column_share=float(columns[t, p]),
                    count_heat=float(heats[0][t, p]),
                    share_heat=float(heats[1][t, p]),
                    column_heat=float(heats[2][t, p]),
                    is_diagonal=t == p,
                )
                for p in range(len(matrix))
            ]
            for t in range(len(matrix))
        ]
    errors = int(matrix.sum() - np.trace(matrix))
    return Confusion(rows, most_confused_pairs(matrix, PAIRS), errors)


def _shares(matrix: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    """Each count's share of its row (axis 1) or column (axis 0); 0 where that is empty."""
    total = matrix.sum(axis=axis, keepdims=True)
    return np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)


def _heat(values: NDArray[Any]) -> NDArray[np.float64]:
    """Diagonal and mistakes each scaled by their own maximum; roots keep single mistakes visible."""
    diagonal = np.eye(len(values), dtype=bool)
    heat = np.zeros(values.shape)
    for part in (diagonal, ~diagonal):
        largest = values[part].max(initial=0.0)
        if largest > 0:
            heat[part] = np.sqrt(values[part] / largest)
    return heat


def share_label(share: float) -> str:
    """A share of a row in at most four characters: ``99.1``, ``0.3``, ``100``; rounding never hides or completes."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}"
    shown = min(max(100 * share, 0.1), 99.9)
    return f"{math.floor(shown * 10 + 0.5) / 10:.1f}"
