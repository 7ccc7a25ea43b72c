"""Machines solved on working sets are those that libsvm finds on all rows."""

import numpy as np
import pytest
from sklearn.svm import SVC

from _digits import digits
from tenfold.models import svm
from tenfold.models._fitted import Work
from tenfold.models.svm import Points, fit_machines, together

PAIRS = [(first, second) for first in range(10) for second in range(first + 1, 10)]


def both_classes(labels: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero((labels == first) | (labels == second)) for first, second in PAIRS]


@pytest.mark.parametrize("C", [0.3, 5.0])
def test_decisions_are_those_of_scikit_learn(C: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm, "FIRST", 40)  # of some 200 rows a pair, so that several rounds are needed
    data = digits()
    gamma = 0.05
    x = (data.images[:1200].reshape(1200, -1) / 100 * np.sqrt(2 * gamma)).astype(np.float32)
    seen, unseen, labels = x[:1000], x[1000:], data.labels[:1000]
    reference = SVC(C=C, gamma=0.5, decision_function_shape="ovo").fit(seen.astype(np.float64), labels)
    machines = fit_machines(Points.of(seen), labels, PAIRS, both_classes(labels), C, Work(), "")
    support, weights, biases = together(machines)
    decisions = Points.of(unseen).kernel(Points.of(seen[support])) @ weights.T + biases
    assert np.abs(decisions - reference.decision_function(unseen.astype(np.float64))).max() < 0.01
    assert abs(len(support) - len(reference.support_)) < 0.03 * len(support)  # those barely at the margin may differ


def test_a_pair_without_rows_of_one_class_is_decided_without_a_fit() -> None:
    x = Points.of(np.eye(4, dtype=np.float32))
    labels = np.array([0, 0, 1, 1])
    machines = fit_machines(
        x, labels, [(0, 2), (2, 1), (2, 3)], [np.array([0, 1]), np.array([2, 3]), np.array([], int)], 1, Work(), ""
    )
    assert [machine.bias for machine in machines] == [1, -1, 0]
    assert all(not len(machine.rows) for machine in machines)
