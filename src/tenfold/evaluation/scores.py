"""The headline figures of labelled predictions, together."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.evaluation.metrics import accuracy, brier_score, expected_calibration_error, log_loss
from tenfold.values.interval import wilson_interval
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Score:
    """Figures of one labelled set. ``low`` and ``high`` bound the 95 % Wilson interval of ``accuracy``."""

    split: str
    accuracy: float
    low: float
    high: float
    errors: int
    n: int
    log_loss: float
    brier: float
    calibration_error: float


def score(split: str, made: Predictions) -> Score:
    """The figures of labelled predictions with at least one row."""
    assert made.labels is not None, split
    right, n = int(made.correct.sum()), len(made)
    low, high = wilson_interval(right, n)
    return Score(
        split=split,
        accuracy=accuracy(made.labels, made.predicted),
        low=low,
        high=high,
        errors=n - right,
        n=n,
        log_loss=log_loss(made.labels, made.probabilities),
        brier=brier_score(made.labels, made.probabilities),
        calibration_error=expected_calibration_error(made.labels, made.probabilities),
    )
