"""How sure one can be of the mean over the folds of a cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def fold_mean_interval(accuracies: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) around the mean over k folds, with Nadeau & Bengio's correction for the rows that they share.

    Folds learn from mostly the same rows, so that the standard error deviation / sqrt(k) is too small: the
    variance is multiplied by 1/k + 1/(k - 1) instead of 1/k, 1/(k - 1) being the rows a fold tests on over those it learns
    from ("Inference for the generalization error", Machine Learning 52, 2003). Student's t with k - 1 degrees of freedom.

    Args:
        accuracies: of the folds, two or more.
        confidence: of the interval, between 0 and 1, exclusive.
    """
    k = len(accuracies)
    mean, deviation = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    reach = t_quantile(confidence, k - 1) * deviation * math.sqrt(1 / k + 1 / (k - 1))
    return max(0.0, mean - reach), min(1.0, mean + reach)


def t_quantile(confidence: float, freedom: int) -> float:
    """How far from 0 a Student's t variable is at most, with probability ``confidence``; bisected."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < confidence else (low, angle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """P(|T| < sqrt(freedom) tan(angle)) (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    odd, cosine = freedom % 2, math.cos(angle)
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
