"""Whether a confidence of 90 % is right nine times in ten, and one number that mends it where it is not.

C. Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import Labels, Probabilities, check_probabilities
from tenfold.values.accuracy import Accuracy
from tenfold.values.predictions import PROBABILITY_FLOOR, Predictions

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


TARGET = 0.999
"""Accuracy that the answered images shall reach where nobody says another."""


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """At each of T distinct confidences, highest first: answers and errors if only images so sure count.

    Attributes:
        thresholds: (T,) the confidences.
        answered: int64 (T,), images at least as sure.
        errors: int64 (T,), how many of them are wrong.
        total: N, images in all.
    """

    thresholds: NDArray[np.float64]
    answered: NDArray[np.int64]
    errors: NDArray[np.int64]
    total: int

    @property
    def coverage(self) -> NDArray[np.float64]:
        """(T,) share of the images that is answered."""
        return self.answered / self.total

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(T,) share of the answers that is right."""
        return 1 - self.errors / self.answered


@dataclass(frozen=True)
class Selection:
    """What a threshold does to a set of ``total`` images: ``answered`` of them, ``errors`` of these wrong."""

    answered: int
    errors: int
    total: int

    @property
    def coverage(self) -> float:
        """Share of the images that is answered; 1 if there are none."""
        return self.answered / self.total if self.total else 1.0

    @property
    def accuracy(self) -> float:
        """Share of the answers that is right; 1 if nothing is answered."""
        return 1 - self.errors / self.answered if self.answered else 1.0

    @property
    def score(self) -> Accuracy:
        """The same with its interval."""
        return Accuracy.of(self.answered - self.errors, self.answered)


def coverage_curve(confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_]) -> CoverageCurve:
    """The curve of N >= 1 images with ``confidence`` (N,), each ``correct`` or not.

    Raises:
        ValueError: the shapes differ, or there are no rows.
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise ValueError(f"expected two arrays of shape (N,), N >= 1; got {confidence.shape} and {correct.shape}")
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal confidences stand or fall together
    return CoverageCurve(ranked[last], last + 1, np.cumsum(~correct[order])[last], len(ranked))


def reject_threshold(curve: CoverageCurve, target: float = TARGET) -> float | None:
    """The lowest confidence from which on the answers reach the accuracy ``target``; None if none does.

    Choose it on rows that were held out; on the rows that it was chosen on, it looks better than it is.

    Raises:
        ValueError: ``target`` is outside 0..1.
    """
    if not 0 <= target <= 1:
        raise ValueError(f"expected a target of 0..1, got {target}")
    good = np.flatnonzero(curve.errors <= (1 - target) * curve.answered + 1e-9)
    return float(curve.thresholds[good[-1]]) if len(good) else None


def select(confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], threshold: float) -> Selection:
    """What answering only from ``threshold`` on does to N images."""
    sure = confidence >= threshold
    return Selection(int(sure.sum()), int((sure & ~correct).sum()), len(confidence))


def area_over(curve: CoverageCurve) -> float:
    """Mean share of wrong answers over all coverages (AURC, Geifman et al. 2019): low if the errors are the unsure
    ones.
    """
    risk = curve.errors / curve.answered
    sizes = np.diff(curve.answered, prepend=0)
    return float((risk * sizes).sum() / curve.total)


@dataclass(frozen=True)
class Confidence:
    """Learnt from ``images`` held-out images, and from nothing else.

    Attributes:
        temperature: what makes the probabilities honest; see :func:`~tenfold.evaluation.calibration.with_temperature`.
        reject_threshold: confidence of the model itself, before any temperature, from which on answers reach the
            accuracy ``target``; None if no confidence is enough.
        target: accuracy aimed at.
        images: how many images both were learnt from.
    """

    temperature: float
    reject_threshold: float | None
    target: float
    images: int


def learn_confidence(validation: Predictions, target: float = TARGET) -> Confidence | None:
    """What labelled predictions of held-out rows teach; None if there are no rows or no labels.

    Give the rows that training held out, never the test set: figures on rows that chose something flatter it.
    """
    if validation.labels is None or not len(validation):
        return None
    temperature = fit_temperature(validation.labels, validation.probabilities)
    threshold = reject_threshold(coverage_curve(validation.confidence, validation.correct), target)
    return Confidence(temperature, threshold, target, len(validation))
