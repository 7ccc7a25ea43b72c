"""One row a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import class_scores
from tenfold.evaluation.significance import holm, two_shares, verdict


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class, NaN where undefined, with the images missed and those wrongly taken for it.

    ``against`` says whether its recall differs from that of all other classes together by more than noise (two shares,
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
