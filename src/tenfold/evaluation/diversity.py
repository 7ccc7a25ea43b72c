"""What members of an ensemble add to each other.

L. I. Kuncheva and C. J. Whitaker, "Measures of diversity in classifier ensembles", Machine Learning 51, 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Votes = NDArray[np.integer[Any]]
Vote = Callable[[Iterable[NDArray[np.float32]]], NDArray[np.float32]]


def disagreement(votes: Votes) -> NDArray[np.float64]:
    """(M, M) the share of images on which two of M members give different classes, from their classes (M, N)."""
    _check(votes)
    return np.stack([(votes != one).mean(axis=1) for one in votes])


def q_statistic(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, M) Yule's Q of each two members, from whether each is right (M, N).

    1: they fail on the same images. 0: independently. Below 0: where one fails the other is right more often
    than by chance. NaN where one of them is always right or always wrong.
    """
    _check(correct)
    right = correct.astype(np.float64)
    wrong = 1 - right
    same = (right @ right.T) * (wrong @ wrong.T)
    other = (right @ wrong.T) * (wrong @ right.T)
    total = same + other
    return np.divide(same - other, total, out=np.full(total.shape, np.nan), where=total > 0)


def double_fault(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, M) the share of images on which both of two members are wrong; a member's own errors on the diagonal."""
    _check(correct)
    wrong = (~correct).astype(np.float64)
    return wrong @ wrong.T / correct.shape[1]


def mean_of_pairs(matrix: NDArray[np.float64]) -> float:
    """Mean over the pairs of different members; NaN where no pair has a value."""
    above = matrix[np.triu_indices(len(matrix), 1)]
    known = above[np.isfinite(above)]
    return float(known.mean()) if known.size else float("nan")


def growing_votes(members: Iterable[NDArray[np.float32]], vote: Vote) -> Iterator[NDArray[np.float32]]:
    """The ensemble's probabilities (N, K) with 1, 2, ... M members, in order.

    Args:
        members: probabilities (N, K) of each.
        vote: combines those of several.
    """
    so_far: list[NDArray[np.float32]] = []
    for probabilities in members:
        so_far.append(probabilities)
        yield vote(so_far)


def _check(rows: NDArray[Any]) -> None:
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"expected (M, N) with N >= 1, got {rows.shape}")
