"""What members add to each other, beside scikit-learn and statsmodels."""

import numpy as np
import pytest
from sklearn.metrics import zero_one_loss
from statsmodels.stats.contingency_tables import Table2x2

from tenfold.evaluation.metrics import disagreement, double_fault, growing_votes, mean_of_pairs, q_statistic


@pytest.fixture(scope="module")
def votes() -> tuple[np.ndarray, np.ndarray]:
    """Classes (4, 500) that members give, and the truth (500,)."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, 500)
    hard = rng.random(500) < 0.3
    wrong = (rng.random((4, 500)) < np.where(hard, 0.6, 0.1)) * rng.integers(1, 5, (4, 500))
    return (labels + wrong) % 5, labels


def test_disagreement_agrees_with_scikit_learn(votes):
    found = disagreement(votes[0])
    for a in range(4):
        for b in range(4):
            assert found[a, b] == pytest.approx(zero_one_loss(votes[0][a], votes[0][b]))


def test_q_is_yules_of_statsmodels_odds_ratio(votes):
    correct = votes[0] == votes[1]
    found = q_statistic(correct)
    for a, b in [(0, 1), (2, 3), (3, 1)]:
        table = [[(correct[a] & correct[b]).sum(), (correct[a] & ~correct[b]).sum()],
                 [(~correct[a] & correct[b]).sum(), (~correct[a] & ~correct[b]).sum()]]  # fmt: skip
        ratio = Table2x2(np.array(table)).oddsratio
        assert found[a, b] == pytest.approx((ratio - 1) / (ratio + 1))
        assert found[a, b] == found[b, a]


def test_double_fault_by_hand():
    found = double_fault(np.array([[True, False, False, False], [True, True, False, False]]))
    np.testing.assert_allclose(found, [[0.75, 0.5], [0.5, 0.5]])


def test_a_member_that_is_always_right_has_no_q():
    found = q_statistic(np.array([[True, True], [True, False]]))
    assert np.isnan(found[0, 1])
    assert np.isnan(found[1, 0])
    assert np.isnan(mean_of_pairs(found))


def test_the_mean_is_over_pairs_of_different_members():
    assert mean_of_pairs(np.array([[9.0, 1.0, 2.0], [1.0, 9.0, np.nan], [2.0, np.nan, 9.0]])) == 1.5


def test_votes_grow_one_by_one():
    members = [np.full((2, 2), value, np.float32) for value in (0.0, 1.0, 5.0)]
    grown = list(growing_votes(iter(members), lambda some: np.mean(list(some), axis=0)))
    assert [votes[0, 0] for votes in grown] == [0.0, 0.5, 2.0]
