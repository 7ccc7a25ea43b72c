import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from tenfold.evaluation import metrics
from tenfold.values.accuracy import wilson_interval


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    """500 labels and float32 probabilities over 7 classes, right about two times in three."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 500)
    logits = rng.normal(size=(500, 7))
    logits[np.arange(500), labels] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32)


def test_accuracy_and_confusion_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    predicted = probabilities.argmax(axis=1)
    assert metrics.accuracy(labels, predicted) == pytest.approx(reference.accuracy_score(labels, predicted))
    expected = reference.confusion_matrix(labels, predicted, labels=range(7))
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, predicted, 7), expected)


def test_confusion_rows_are_the_truth():
    matrix = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 2, 1]), 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_class_scores_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    predicted = probabilities.argmax(axis=1)
    scores = metrics.class_scores(metrics.confusion_matrix(labels, predicted, 7))
    precision, recall, f1, support = reference.precision_recall_fscore_support(labels, predicted, labels=range(7))
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    np.testing.assert_array_equal(scores.support, support)


def test_undefined_class_scores_are_nan_not_zero():
    # class 1 is never predicted, class 2 never occurs, class 3 does neither
    scores = metrics.class_scores(metrics.confusion_matrix(np.array([0, 1]), np.array([0, 2]), 4))
    np.testing.assert_array_equal(scores.precision, [1, np.nan, 0, np.nan])
    np.testing.assert_array_equal(scores.recall, [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(scores.f1, [1, 0, 0, np.nan])


def test_log_loss_and_brier_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rows sum to 1 only to float32's precision
        loss = reference.log_loss(labels, probabilities, labels=range(7))
        brier = reference.brier_score_loss(labels, probabilities, labels=range(7), scale_by_half=False)
    assert metrics.log_loss(labels, probabilities) == pytest.approx(loss, rel=1e-5)
    assert metrics.brier_score(labels, probabilities) == pytest.approx(brier, rel=1e-5)


def test_scores_of_certain_answers():
    labels = np.array([0, 1])
    right, wrong = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1]
    assert metrics.log_loss(labels, right) == 0
    assert metrics.log_loss(labels, wrong) == pytest.approx(-math.log(np.finfo(np.float32).eps))
    assert metrics.brier_score(labels, right) == 0
    assert metrics.brier_score(labels, wrong) == 2


def test_calibration_error_of_a_known_case():
    # 10 answers at confidence 0.8 of which 6 are right, 10 at 0.6 of which 6 are right: gaps 0.2 and 0, equal weights
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.6, 0.4]] * 10)
    labels = np.array([0] * 6 + [1] * 4 + [0] * 6 + [1] * 4)
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx(0.1)


def test_gaps_of_opposite_sign_cancel_inside_a_bin_only():
    probabilities = np.array([[0.85, 0.15], [0.95, 0.05]])
    labels = np.array([0, 1])  # too modest by 0.15, too sure by 0.95
    assert metrics.expected_calibration_error(labels, probabilities, bins=2) == pytest.approx((0.95 - 0.15) / 2)
    assert metrics.expected_calibration_error(labels, probabilities, bins=10) == pytest.approx((0.95 + 0.15) / 2)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, table I, method 3 (score without continuity correction)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_of_published_cases(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 100_000), st.data())
def test_wilson_interval_holds_the_share_and_mirrors(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("case", [(-1, 10, 0.95), (11, 10, 0.95), (0, 0, 0.95), (1, 2, 1.0)])
def test_wilson_interval_refuses_nonsense(case):
    with pytest.raises(ValueError, match="expected 0 <= successes"):
        wilson_interval(*case)


def test_shapes_are_checked():
    two, three = np.array([0, 1]), np.array([0, 1, 1])
    with pytest.raises(ValueError, match="as many labels as rows"):
        metrics.accuracy(two, three)
    with pytest.raises(ValueError, match="as many labels as rows"):
        metrics.log_loss(two, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(N, K\)"):
        metrics.brier_score(two, np.ones(2))
    with pytest.raises(ValueError, match="at least one row"):
        metrics.accuracy(two[:0], two[:0])
    with pytest.raises(ValueError, match=r"in 0\.\.1, got 0\.\.2"):
        metrics.confusion_matrix(two, np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="at least one bin"):
        metrics.expected_calibration_error(two, np.eye(2), bins=0)
