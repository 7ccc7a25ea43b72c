"""Logits that say how sure a fitted model may be: scales that make unseen rows most likely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def temperature(scores: Floats, labels: NDArray[np.int64]) -> float:
    """The factor by which ``scores`` (N, K) become the logits under which ``labels`` (N,) are most likely.

    Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599).
    """
    return _most_likely(lambda factor: factor * scores, labels, 1)[0]


def coupled(decisions: Floats, pairs: list[tuple[int, int]], classes: int, slope: float) -> Floats:
    """(N, K): for each class the sum of log sigmoid(slope d) over its machines d, each positive for the class.

    Args:
        decisions: float64 (N, P), positive for the first of each pair.
        pairs: the P pairs of classes.
        classes: K.
        slope: of the sigmoids.
    """
    sums = np.zeros((len(decisions), classes))
    for column, (first, second) in zip(decisions.T, pairs, strict=True):
        sums[:, first] -= np.logaddexp(0, -slope * column)
        sums[:, second] -= np.logaddexp(0, slope * column)
    return sums


def slope_and_scale(
    decisions: Floats, pairs: list[tuple[int, int]], classes: int, labels: NDArray[np.int64]
) -> tuple[float, float]:
    """The slope of :func:`coupled` and the factor of its result under which ``labels`` (N,) are most likely."""
    slope, scale = _most_likely(lambda slope, scale: scale * coupled(decisions, pairs, classes, slope), labels, 2)
    return slope, scale


def _most_likely(logits: Callable[..., Floats], labels: NDArray[np.int64], count: int) -> tuple[float, ...]:
    """The ``count`` positive arguments of ``logits`` that minimise the cross-entropy."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    rows = np.arange(len(labels))

    def loss(logarithms: Floats) -> float:
        return float(-log_softmax(logits(*np.exp(logarithms)), axis=1)[rows, labels].mean())

    found = minimize(
        loss, np.zeros(count), method="Nelder-Mead", bounds=[(-7, 7)] * count, options={"xatol": 1e-3, "fatol": 1e-7}
    )
    return tuple(map(float, np.exp(found.x)))
