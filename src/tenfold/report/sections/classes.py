"""One row a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import class_scores


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class, NaN where undefined, with the images missed and those wrongly taken for it."""

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    missed: int
    wrongly_taken: int


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
    return [
        ClassRow(
            name=name,
            support=int(scores.support[k]),
            precision=float(scores.precision[k]),
            recall=float(scores.recall[k]),
            f1=float(scores.f1[k]),
            missed=int(scores.support[k] - hits[k]),
            wrongly_taken=int(predicted[k] - hits[k]),
        )
        for k, name in enumerate(names)
    ]


def predicted_counts(predicted: NDArray[np.int64], names: tuple[str, ...]) -> list[CountRow]:
    """A row for each class, from predictions (N,)."""
    counts = np.bincount(predicted, minlength=len(names))
    total = max(len(predicted), 1)
    return [CountRow(name, int(count), int(count) / total) for name, count in zip(names, counts, strict=True)]
