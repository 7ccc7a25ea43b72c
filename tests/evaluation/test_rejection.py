"""Answering only when sure, counted by hand and beside scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from tenfold.evaluation.calibration import area_over, coverage_curve, reject_threshold, select


def test_the_curve_by_hand():
    confidence = np.array([0.9, 0.5, 0.8, 0.8, 0.6])
    correct = np.array([True, False, True, False, True])
    curve = coverage_curve(confidence, correct)
    np.testing.assert_array_equal(curve.thresholds, [0.9, 0.8, 0.6, 0.5])
    np.testing.assert_array_equal(curve.answered, [1, 3, 4, 5])  # equal confidences stand or fall together
    np.testing.assert_array_equal(curve.errors, [0, 1, 1, 2])
    np.testing.assert_allclose(curve.coverage, [0.2, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(curve.accuracy, [1, 2 / 3, 3 / 4, 3 / 5])
    assert area_over(curve) == pytest.approx((1 * 0 + 2 * 1 / 3 + 1 * 1 / 4 + 1 * 2 / 5) / 5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 100).map(lambda percent: percent / 100))
def test_accuracy_at_every_threshold_agrees_with_scikit_learn(seed, rows, target):
    rng = np.random.default_rng(seed)
    confidence = rng.integers(1, 12, rows) / 12
    correct = rng.random(rows) < confidence
    curve = coverage_curve(confidence, correct)
    for threshold, accuracy, coverage in zip(curve.thresholds, curve.accuracy, curve.coverage, strict=True):
        sure = confidence >= threshold
        assert accuracy == pytest.approx(accuracy_score(np.ones(sure.sum(), bool), correct[sure]))
        assert coverage == pytest.approx(sure.mean())
        found = select(confidence, correct, threshold)
        assert (found.accuracy, found.coverage) == (pytest.approx(accuracy), pytest.approx(coverage))
    chosen = reject_threshold(curve, target)
    good = [t for t in curve.thresholds if correct[confidence >= t].mean() >= target - 1e-9]
    assert chosen == (min(good) if good else None)


def test_no_threshold_is_invented():
    assert reject_threshold(coverage_curve(np.array([0.9, 0.8]), np.array([False, True])), 0.999) is None
    nothing = select(np.array([0.5]), np.array([False]), 0.9)
    assert (nothing.answered, nothing.coverage, nothing.accuracy) == (0, 0.0, 1.0)


def test_rows_must_match():
    with pytest.raises(ValueError, match="shape"):
        coverage_curve(np.array([0.5, 0.4]), np.array([True]))
    with pytest.raises(ValueError, match="target"):
        reject_threshold(coverage_curve(np.array([0.5]), np.array([True])), 1.5)
