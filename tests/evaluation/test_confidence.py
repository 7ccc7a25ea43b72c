"""What held-out rows teach."""

import numpy as np
import pytest

from tenfold.evaluation.calibration import fit_temperature, learn_confidence
from tenfold.values.predictions import Predictions


def made(rows: int = 500, labelled: bool = True) -> Predictions:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, 5)) * 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return Predictions(np.arange(rows), probabilities.astype(np.float32), labels if labelled else None)


def test_temperature_and_threshold_come_from_the_rows_given():
    validation = made()
    learnt = learn_confidence(validation, 0.95)
    assert learnt is not None
    assert learnt.images == 500
    assert learnt.temperature == fit_temperature(validation.labels, validation.probabilities)
    sure = validation.confidence >= learnt.reject_threshold
    assert validation.correct[sure].mean() >= 0.95
    assert 0.1 < sure.mean() < 0.9


@pytest.mark.parametrize("nothing", [made(labelled=False), made(0)])
def test_nothing_is_learnt_from_nothing(nothing):
    assert learn_confidence(nothing) is None


def test_an_accuracy_that_is_never_reached_has_no_threshold():
    wrong = Predictions(np.arange(2), np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([1, 1]))
    assert learn_confidence(wrong).reject_threshold is None
