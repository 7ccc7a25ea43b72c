"""Whether a confidence of 90 % is right nine times in ten, and one number that mends it where it is not.

C. Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import Labels, Probabilities, check_probabilities
from tenfold.values.predictions import PROBABILITY_FLOOR

COLDEST, HOTTEST = 0.05, 20.0
_ENOUGH = 1e-10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Of B equal steps of confidence, each (B,); NaN where a step is empty.

    Attributes:
        counts: int64, images whose confidence falls into the step.
        confidence: their mean confidence.
        accuracy: the share of them that is right.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def reliability(labels: Labels, probabilities: Probabilities, bins: int = 15) -> Reliability:
    """Confidence beside accuracy, in ``bins`` equal steps of confidence; each includes its upper edge.

    Raises:
        ValueError: the shapes do not fit, there are no rows, or ``bins`` < 1.
    """
    check_probabilities(labels, probabilities)
    if bins < 1:
        raise ValueError(f"expected at least one bin, got {bins}")
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    place = (np.ceil(confidence * bins) - 1).clip(0, bins - 1).astype(np.int64)
    counts = np.bincount(place, minlength=bins)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(place, weights=values, minlength=bins)
        return np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0)

    return Reliability(counts, mean(confidence), mean(correct.astype(np.float64)))


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """The temperature T that makes the mean of -ln p(truth) least, with p proportional to p^(1/T).

    Above 1 the probabilities were too sure of themselves, below 1 too timid. The loss is convex in 1/T, so
    Newton's method finds its only minimum, kept within ``COLDEST``..``HOTTEST``. Where every row is right there
    is nothing to learn from: the surer the better, without end. T is then 1.

    Args:
        labels: (N,) of rows that the model was not trained on.
        probabilities: (N, K).

    Raises:
        ValueError: the shapes do not fit, or there are no rows.
    """
    check_probabilities(labels, probabilities)
    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0
    logits = _logits(probabilities)
    truth = logits[np.arange(len(labels)), labels].mean()
    low, high, inverse = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(100):
        scaled = _softmax(logits * inverse)
        mean = (scaled * logits).sum(axis=1)
        slope = float(mean.mean() - truth)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        bend = float(((scaled * np.square(logits)).sum(axis=1) - np.square(mean)).mean())
        step = inverse - slope / bend if bend > 0 else low
        following = step if low < step < high else (low + high) / 2  # Newton, but never out of what holds the minimum
        if abs(following - inverse) <= _ENOUGH * inverse:
            break
        inverse = following
    return 1 / inverse


def with_temperature(probabilities: Probabilities, temperature: float) -> NDArray[np.float32]:
    """(N, K) the probabilities at another temperature; the most probable class stays the same.

    Raises:
        ValueError: ``temperature`` is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"expected a positive temperature, got {temperature}")
    return _softmax(_logits(probabilities) / temperature).astype(np.float32)


def _logits(probabilities: Probabilities) -> NDArray[np.float64]:
    """Logarithms of the probabilities: the softmax of these gives the same probabilities back."""
    return np.log(np.maximum(probabilities, PROBABILITY_FLOOR), dtype=np.float64)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
