"""Which images went wrong, and as what: row numbers and pairs, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import Labels, Probabilities


@dataclass(frozen=True)
class ConfusedPair:
    """``count`` images of class ``true`` were taken for class ``predicted``."""

    true: int
    predicted: int
    count: int


def most_confused_pairs(confusion: NDArray[np.int64], limit: int | None = None) -> list[ConfusedPair]:
    """The cells of a (K, K) confusion matrix that hold mistakes, most frequent first, ties in order of class."""
    pairs = [ConfusedPair(int(t), int(p), int(confusion[t, p])) for t, p in np.argwhere(confusion) if t != p]
    return sorted(pairs, key=lambda pair: -pair.count)[:limit]


def mistaken_rows(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """(M,) the rows whose most probable class is not the label, most confident mistake first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def hardest_rows(labels: Labels, probabilities: Probabilities, limit: int | None = None) -> NDArray[np.int64]:
    """(min(limit, N),) the rows whose true class was given the least probability, hardest first, right or wrong."""
    truth = probabilities[np.arange(len(labels)), labels]
    return np.argsort(truth, kind="stable")[:limit]


def rows_of_cell(labels: Labels, predicted: Labels, true_class: int, predicted_class: int) -> NDArray[np.int64]:
    """(M,) the rows behind one cell of the confusion matrix, in order."""
    return np.flatnonzero((labels == true_class) & (predicted == predicted_class))
