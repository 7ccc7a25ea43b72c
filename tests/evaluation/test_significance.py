"""p-values and intervals beside those of scipy and statsmodels."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tenfold.evaluation.significance import bootstrap_interval, holm, mcnemar_exact, mcnemar_mid_p, verdict, welch

COUNTS = [(0, 0), (1, 0), (0, 6), (5, 5), (12, 25), (25, 12), (40, 41), (3, 300), (900, 1100)]


@pytest.mark.parametrize(("only_a", "only_b"), COUNTS)
def test_the_exact_p_value_is_that_of_statsmodels(only_a: int, only_b: int) -> None:
    expected = mcnemar([[100, only_a], [only_b, 7]], exact=True).pvalue
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("only_a", "only_b"), COUNTS)
def test_the_mid_p_value_is_the_exact_one_without_half_of_what_was_seen(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    expected = stats.binomtest(only_a, n).pvalue - stats.binom.pmf(only_a, n, 0.5) if n else 1.0
    assert mcnemar_mid_p(only_a, only_b) == pytest.approx(1.0 if only_a == only_b else expected, rel=1e-9)


def test_the_mid_p_value_keeps_closer_to_its_level_than_the_exact_one() -> None:
    """How often fair coins are called unfair, summed exactly over all that can happen; five in a hundred is meant."""

    def share(p_value: Callable[[int, int], float], n: int) -> float:
        return sum(stats.binom.pmf(k, n, 0.5) for k in range(n + 1) if p_value(k, n - k) <= 0.05)

    sizes = range(20, 61)
    exact, mid = (float(np.mean([share(p_value, n) for n in sizes])) for p_value in (mcnemar_exact, mcnemar_mid_p))
    assert exact < 0.035 < 0.04 < mid < 0.055


def test_counts_are_not_negative() -> None:
    with pytest.raises(ValueError, match="-1"):
        mcnemar_exact(-1, 3)


def test_many_differences_take_no_time_and_overflow_nothing() -> None:
    assert mcnemar_exact(30_000, 20_000) < 1e-300
    assert mcnemar_mid_p(20_000, 20_100) == pytest.approx(stats.binomtest(20_000, 40_100).pvalue, rel=0.01)


def test_the_bootstrap_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).choice([-1, 0, 1], 400, p=[0.05, 0.85, 0.1])
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=2).confidence_interval
    assert bootstrap_interval(values, resamples=4000) == pytest.approx((expected.low, expected.high), abs=0.004)
    assert bootstrap_interval(values) == bootstrap_interval(values)


@pytest.mark.parametrize("bad", [{"values": np.zeros(0)}, {"values": np.ones(3), "level": 1.0}])
def test_no_bootstrap_of_nothing(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_interval(**bad)  # type: ignore[arg-type]


def test_welch_is_that_of_scipy_and_knows_no_spread() -> None:
    a, b = [0.991, 0.993, 0.992], [0.990, 0.9905, 0.9895, 0.991]
    assert welch(a, b) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert (welch([0.5, 0.5], [0.5, 0.5]), welch([0.5, 0.5], [0.6, 0.6])) == (1.0, 0.0)
    assert welch([0.1022, 0.1022], [0.9, 0.91]) < 0.01  # one side without spread is no reason to warn
    with pytest.raises(ValueError, match="two figures"):
        welch([0.5], [0.6, 0.7])


def test_holm_is_that_of_statsmodels() -> None:
    p = [0.01, 0.04, 0.03, 0.5, 0.005, 0.04]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("p", "difference", "words"),
    [
        (0.313, 0.01, "no significant difference (p = 0.31)"),
        (0.0029, 0.01, "A better, p = 0.003"),
        (0.0029, -0.01, "B better, p = 0.003"),
        (1e-9, 0.01, "A better, p < 0.001"),
        (0.05, 0.01, "A better, p = 0.050"),
        (1.0, 0.0, "no significant difference (p = 1.00)"),
    ],
)
def test_verdicts_in_words(p: float, difference: float, words: str) -> None:
    assert verdict(p, difference) == words
