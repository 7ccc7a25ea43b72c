"""The interval of a mean over folds."""

import numpy as np
import pytest
from scipy import stats

from tenfold.evaluation.significance import fold_mean_interval, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantiles_are_scipys(freedom: int, confidence: float) -> None:
    assert t_quantile(confidence, freedom) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-9)


def test_it_is_the_corrected_resampled_t_interval() -> None:
    folds = [0.97, 0.975, 0.965, 0.98, 0.972]
    error = np.sqrt(np.var(folds, ddof=1) * (1 / 5 + 1 / 4))
    assert fold_mean_interval(folds) == pytest.approx(stats.t.interval(0.95, 4, np.mean(folds), error))


def test_it_ends_where_accuracies_do_and_equal_folds_leave_none() -> None:
    assert fold_mean_interval([0.9, 1.0])[1] == 1
    assert fold_mean_interval([0.9, 1.0])[0] == 0
    assert fold_mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
