"""Which classes are taken for which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.mistakes import ConfusedPair, most_confused_pairs

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
