"""Whether a difference is significant: tests and intervals, as numbers over counts and values (N,)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import missing_extra

ALPHA = 0.05
"""A difference with a larger p-value is not called significant."""
RESAMPLES = 2000


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """The p-value of the exact McNemar test: that ``only_a`` and ``only_b`` are a fair coin's heads and tails.

    Both classifiers saw the same images; those on which both are right or both wrong say nothing about
    which is better. Q. McNemar, Psychometrika 12, 1947.

    Args:
        only_a: images that only A got right.
        only_b: images that only B got right.

    Raises:
        ValueError: a negative count.
    """
    tail, _ = _binomial_tail(only_a, only_b)
    return min(1.0, 2 * tail)


def mcnemar_mid_p(only_a: int, only_b: int) -> float:
    """The mid-p-value of the McNemar test: the exact one without half the probability of what was seen.

    The exact test rejects less often than its level says; this one keeps close to it.
    M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical Research Methodology 13:91, 2013.

    Raises:
        ValueError: a negative count.
    """
    if only_a == only_b:
        return 1.0
    tail, last = _binomial_tail(only_a, only_b)
    return min(1.0, 2 * tail - last)


def two_shares(right_a: int, n_a: int, right_b: int, n_b: int) -> float:
    """The p-value that two shares, observed on different images, are one and the same: the pooled z-test.

    Raises:
        ValueError: not 0 <= right <= n with n >= 1 on each side.
    """
    if not (0 <= right_a <= n_a and 0 <= right_b <= n_b and n_a and n_b):
        raise ValueError(f"expected 0 <= right <= n and n >= 1, got {right_a} of {n_a} and {right_b} of {n_b}")
    pooled = (right_a + right_b) / (n_a + n_b)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    if deviation == 0:  # all right, or all wrong, on both sides
        return 1.0
    return math.erfc(abs(right_a / n_a - right_b / n_b) / deviation / math.sqrt(2))


def _binomial_tail(a: int, b: int) -> tuple[float, float]:
    """(P(X <= min(a, b)), P(X = min(a, b))) for X ~ Binomial(a + b, 1/2), in exact whole numbers until the last
    division.
    """
    if a < 0 or b < 0:
        raise ValueError(f"counts must not be negative, got {a} and {b}")
    n, term, total = a + b, 1, 1
    for k in range(min(a, b)):
        term = term * (n - k) // (k + 1)
        total += term
    return total / 2**n, term / 2**n


def bootstrap_interval(
    values: NDArray[Any], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval (low, high) of the mean of ``values`` (N,), N >= 1, from ``resamples`` draws with
    replacement.

    For two classifiers ``values`` are the differences image by image, which keeps the pairs together.
    B. Efron, Annals of Statistics 7, 1979.

    Raises:
        ValueError: no values, or ``level`` outside (0, 1).
    """
    if not len(values) or not 0 < level < 1:
        raise ValueError(f"expected at least one value and 0 < level < 1, got {len(values)} and {level}")
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean(dtype=np.float64) for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def welch(a: Sequence[float], b: Sequence[float]) -> float:
    """The p-value that two recipes have the same mean, from one figure a seed; the spreads may differ.

    B. L. Welch, Biometrika 34, 1947. Seeds that all gave the same figure on both sides leave no doubt: 0 or 1.

    Raises:
        ValueError: fewer than two figures on a side; one seed has no spread.
        ResourceError: scipy is missing.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"expected at least two figures on each side, got {len(a)} and {len(b)}")
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return 1.0 if a[0] == b[0] else 0.0
    try:
        from scipy.stats import ttest_ind_from_stats
    except ImportError as error:
        raise missing_extra("scipy", "explore", "comparing groups of seeds") from error
    figures = [(float(np.mean(side)), float(np.std(side, ddof=1)), len(side)) for side in (a, b)]
    return float(ttest_ind_from_stats(*figures[0], *figures[1], equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for having looked at all of them; each may be compared with the level as if it were the only
    one.

    S. Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate([(len(order) - rank) * p_values[i] for rank, i in enumerate(order)])
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(steps, 1.0)
    return [float(p) for p in corrected]


def p_text(p: float) -> str:
    """``p = 0.031``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def verdict(p: float, difference: float, names: tuple[str, str] = ("A", "B")) -> str:
    """In words: ``no significant difference (p = 0.31)``, or ``A better, p = 0.003``.

    Args:
        p: the p-value.
        difference: A's figure minus B's.
        names: of A and B.
    """
    if p > ALPHA or difference == 0:
        return f"no significant difference ({p_text(p)})"
    return f"{names[difference < 0]} better, {p_text(p)}"


def fold_mean_interval(accuracies: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) around the mean over k folds, with Nadeau & Bengio's correction for the rows that they share.

    Folds learn from mostly the same rows, so that the standard error deviation / sqrt(k) is too small: the
    variance is multiplied by 1/k + 1/(k - 1) instead of 1/k, 1/(k - 1) being the rows a fold tests on over those it
    learns
    from ("Inference for the generalization error", Machine Learning 52, 2003). Student's t with k - 1 degrees of
    freedom.

    Args:
        accuracies: of the folds, two or more.
        confidence: of the interval, between 0 and 1, exclusive.
    """
    from scipy.special import stdtrit

    k = len(accuracies)
    mean, deviation = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    reach = float(stdtrit(k - 1, (1 + confidence) / 2)) * deviation * math.sqrt(1 / k + 1 / (k - 1))
    return max(0.0, mean - reach), min(1.0, mean + reach)
