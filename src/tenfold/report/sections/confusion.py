"""Which classes are taken for which."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.mistakes import ConfusedPair, most_confused_pairs

LARGEST = 64
"""Classes up to which the whole matrix is shown; beyond, the most confused pairs stand for it."""
PAIRS = 8


@dataclass(frozen=True)
class Cell:
    """One cell: images, their share of the row, and how strongly to colour either, 0..1."""

    count: int
    share: float
    count_heat: float
    share_heat: float
    is_diagonal: bool


@dataclass(frozen=True)
class Confusion:
    """``rows`` (K of K cells, by true class), or None if there are too many classes to show."""

    rows: list[list[Cell]] | None
    pairs: list[ConfusedPair]
    errors: int


def confusion(matrix: NDArray[np.int64]) -> Confusion:
    """The section for a (K, K) matrix, true classes in rows."""
    classes = len(matrix)
    support = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, support, out=np.zeros(matrix.shape), where=support > 0)
    rows = None
    if classes <= LARGEST:
        count_heat, share_heat = _heat(matrix.astype(np.float64)), _heat(shares)
        rows = [
            [
                Cell(int(matrix[t, p]), float(shares[t, p]), float(count_heat[t, p]), float(share_heat[t, p]), t == p)
                for p in range(classes)
            ]
            for t in range(classes)
        ]
    errors = int(matrix.sum() - np.trace(matrix))
    return Confusion(rows, most_confused_pairs(matrix, PAIRS), errors)


def _heat(values: NDArray[np.float64]) -> NDArray[np.float64]:
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
