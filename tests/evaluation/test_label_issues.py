"""Suspected wrong labels, beside cleanlab, and on labels that were made wrong on purpose."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_self_confidence_for_each_label
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from tenfold.evaluation.label_issues import label_issues


def noisy(seed: int, rows: int = 2000, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) * 1.5
    logits[np.arange(rows), true] += rng.uniform(1, 5, rows)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(rng.random(rows) < 0.1, rng.integers(0, classes, rows), true)
    return labels, probabilities.astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_and_ranks_what_cleanlab_does(seed):
    labels, probabilities = noisy(seed)
    found = label_issues(labels, probabilities)
    wide = probabilities.astype(np.float64)
    expected = find_label_issues(
        labels, wide, filter_by="confident_learning", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    assert 50 < len(found.rows) < 500
    np.testing.assert_array_equal(found.rows, expected)
    np.testing.assert_allclose(found.quality, get_self_confidence_for_each_label(labels, wide))
    joint = compute_confident_joint(labels, wide, calibrate=False)
    np.testing.assert_array_equal(found.joint, joint)


def test_a_class_that_nobody_has_is_suspected_of_nothing():
    labels, probabilities = noisy(9)
    labels[labels == 3] = 2
    found = label_issues(labels, probabilities)
    wide = probabilities.astype(np.float64)
    expected = find_label_issues(
        labels, wide, filter_by="confident_learning", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    np.testing.assert_array_equal(found.rows, expected)
    assert (found.suggested[found.rows] != labels[found.rows]).all()


def test_l11_planted_errors_come_first():
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(5)
    planted = rng.choice(len(labels), 18, replace=False)  # 1 %
    given = labels.copy()
    given[planted] = (labels[planted] + rng.integers(1, 10, len(planted))) % 10
    out_of_fold = cross_val_predict(
        LogisticRegression(C=0.05, max_iter=200), images / 16, given, cv=5, method="predict_proba"
    )
    found = label_issues(given, out_of_fold.astype(np.float32))
    worst = found.worst(round(0.02 * len(labels)))
    assert np.isin(planted, worst).mean() >= 0.8
    suspected = planted[np.isin(planted, found.rows)]
    assert (found.suggested[suspected] == labels[suspected]).mean() >= 0.8


def test_rows_must_match():
    with pytest.raises(ValueError, match="at least one row"):
        label_issues(np.array([], np.int64), np.ones((0, 3), np.float32))
