"""The interval of a mean over folds."""

import numpy as np
import pytest
from scipy import stats

from tenfold.evaluation.significance import fold_mean_interval


def test_two_folds_reach_twelve_standard_errors() -> None:
    reach = 12.7062 * np.std([0.97, 0.98], ddof=1) * np.sqrt(1.5)  # Student's t, one degree of freedom, from a table
    assert fold_mean_interval([0.97, 0.98]) == pytest.approx((0.975 - reach, 1.0), abs=1e-5)


def test_it_is_the_corrected_resampled_t_interval() -> None:
    folds = [0.97, 0.975, 0.965, 0.98, 0.972]
    error = np.sqrt(np.var(folds, ddof=1) * (1 / 5 + 1 / 4))
    assert fold_mean_interval(folds) == pytest.approx(stats.t.interval(0.95, 4, np.mean(folds), error))


def test_it_ends_where_accuracies_do_and_equal_folds_leave_none() -> None:
    assert fold_mean_interval([0.9, 1.0])[1] == 1
    assert fold_mean_interval([0.9, 1.0])[0] == 0
    assert fold_mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
