"""Calibration finds the scales that made-up answers were drawn with."""

from itertools import combinations

import numpy as np
from scipy.special import softmax

from tenfold.models._fitted import coupled, slope_and_scale, temperature

PAIRS = list(combinations(range(4), 2))


def drawn(logits: np.ndarray, seed: int) -> np.ndarray:
    """Labels (N,) drawn from the probabilities of ``logits`` (N, K)."""
    chances = softmax(logits, axis=1).cumsum(axis=1)
    return (np.random.default_rng(seed).random((len(logits), 1)) > chances).sum(axis=1)


def test_the_temperature_that_labels_were_drawn_with_is_found() -> None:
    scores = np.random.default_rng(0).normal(size=(20_000, 5))
    assert abs(temperature(scores, drawn(2.5 * scores, 1)) - 2.5) < 0.1


def test_slope_and_scale_that_labels_were_drawn_with_are_found() -> None:
    decisions = np.random.default_rng(0).normal(size=(40_000, len(PAIRS)))
    slope, scale = slope_and_scale(decisions, PAIRS, 4, drawn(0.7 * coupled(decisions, PAIRS, 4, 3.0), 1))
    assert abs(slope - 3) < 0.4
    assert abs(scale - 0.7) < 0.1


def test_coupling_two_classes_is_plain_logistic_regression() -> None:
    decisions = np.linspace(-3, 3, 7)[:, None]
    chances = softmax(coupled(decisions, [(0, 1)], 2, 1.5), axis=1)
    assert np.allclose(chances[:, 0], 1 / (1 + np.exp(-1.5 * decisions[:, 0])))
