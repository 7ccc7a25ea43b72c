"""Temperature and reliability, beside scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve

from tenfold.evaluation.calibration import fit_temperature, reliability, with_temperature
from tenfold.evaluation.metrics import expected_calibration_error, log_loss


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(temperature: float, rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities, and the probabilities as a model that is too sure by ``temperature`` says
    them.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 10)) * 3
    honest = softmax(logits)
    labels = (honest.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return labels, softmax(logits * temperature).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 6.0])
def test_the_temperature_is_the_minimum_that_scipy_finds(temperature):
    labels, probabilities = drawn(temperature)
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        normal = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(normal).sum(axis=1)) - normal[np.arange(len(labels)), labels]).mean())

    expected = np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
    fitted = fit_temperature(labels, probabilities)
    assert fitted == pytest.approx(expected, rel=1e-4)
    assert fitted == pytest.approx(temperature, rel=0.08)  # and it undoes what was done to the probabilities


def test_it_mends_the_loss_and_the_calibration_but_no_answer():
    labels, probabilities = drawn(3.0)
    mended = with_temperature(probabilities, fit_temperature(labels, probabilities))
    assert log_loss(labels, mended) < log_loss(labels, probabilities)
    assert expected_calibration_error(labels, mended) < 0.25 * expected_calibration_error(labels, probabilities)
    np.testing.assert_array_equal(mended.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(mended.sum(axis=1), 1, rtol=1e-5)


def test_without_an_error_there_is_nothing_to_learn_from():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert fit_temperature(np.array([0, 1]), probabilities) == 1.0


def test_a_model_that_knows_nothing_gets_a_temperature_at_the_limit():
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(size=(500, 4)) * 8).astype(np.float32)
    assert fit_temperature(rng.integers(0, 4, 500), probabilities) > 15


def test_a_temperature_of_one_changes_nothing():
    _, probabilities = drawn(1.0, rows=50)
    np.testing.assert_allclose(with_temperature(probabilities, 1.0), probabilities, rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match="positive temperature"):
        with_temperature(probabilities, 0.0)


def test_reliability_agrees_with_scikit_learn_and_with_the_calibration_error():
    labels, probabilities = drawn(2.0)
    bins = reliability(labels, probabilities)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    true, predicted = calibration_curve(correct, confidence, n_bins=15)
    filled = bins.counts > 0
    np.testing.assert_allclose(bins.accuracy[filled], true)
    np.testing.assert_allclose(bins.confidence[filled], predicted, rtol=1e-5)
    assert np.isnan(bins.accuracy[~filled]).all()
    gaps = np.abs(bins.accuracy - bins.confidence)[filled] * bins.counts[filled] / len(labels)
    assert gaps.sum() == pytest.approx(expected_calibration_error(labels, probabilities), rel=1e-6)


@pytest.mark.parametrize("call", [reliability, fit_temperature])
def test_rows_must_match(call):
    with pytest.raises(ValueError, match="as many labels"):
        call(np.array([0]), np.ones((2, 3), np.float32) / 3)
    with pytest.raises(ValueError, match="at least one row"):
        call(np.array([], np.int64), np.ones((0, 3), np.float32))
