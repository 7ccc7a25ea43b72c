"""How good predictions are, as numbers: functions over labels (N,) and predictions (N,) or probabilities (N, K)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.values.interval import wilson_interval as wilson_interval

Labels = NDArray[np.integer[Any]]
Probabilities = NDArray[np.floating[Any]]


def accuracy(labels: Labels, predicted: Labels) -> float:
    """Share of the N predictions that equal the label, 0..1.

    Raises:
        ValueError: the shapes differ, or there are no rows.
    """
    _check_rows(labels, predicted)
    return float((labels == predicted).mean())


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """(K, K) counts: row is the true class, column the predicted one.

    Raises:
        ValueError: the shapes differ, or a class is outside 0..classes-1.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ValueError(f"expected two arrays of shape (N,), got {labels.shape} and {predicted.shape}")
    for values in (labels, predicted):
        if values.size and not (0 <= values.min() and values.max() < classes):
            raise ValueError(f"classes must be in 0..{classes - 1}, got {values.min()}..{values.max()}")
    cells = labels.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Figures per class, each (K,); NaN where the figure is undefined.

    Attributes:
        precision: of the images predicted as the class, the share that are; undefined if none was.
        recall: of the images of the class, the share found; undefined if there are none.
        f1: harmonic mean of both; undefined for a class that neither occurs nor was predicted.
        support: int64, images of the class.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def class_scores(confusion: NDArray[np.int64]) -> ClassScores:
    """Precision, recall, F1 and support per class, from a (K, K) :func:`confusion_matrix`."""
    hits = np.diagonal(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return ClassScores(_ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, predicted + support), support)


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of -ln p(true class), in nats; 0 is perfect.

    Probabilities are clipped at the machine epsilon of their type, so one certain error costs at most
    16 nats in float32, not infinity.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.
    """
    truth = _probability_of_truth(labels, probabilities)
    return float(-np.log(truth.clip(np.finfo(truth.dtype).eps), dtype=np.float64).mean())


def brier_score(labels: Labels, probabilities: Probabilities) -> float:
    """Mean over images of the squared distance between probabilities and the one-hot truth, 0..2; 0 is perfect.

    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.
    """
    truth = _probability_of_truth(labels, probabilities).astype(np.float64)
    squares = np.square(probabilities, dtype=np.float64).sum(axis=1)
    return float((squares - 2 * truth + 1).mean())


def expected_calibration_error(labels: Labels, probabilities: Probabilities, bins: int = 15) -> float:
    """Mean gap, 0..1, between confidence and accuracy, over ``bins`` equal steps of confidence weighted by their images.

    C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Raises:
        ValueError: the shapes do not fit, there are no rows, or ``bins`` < 1.
    """
    _probability_of_truth(labels, probabilities)
    if bins < 1:
        raise ValueError(f"expected at least one bin, got {bins}")
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    place = (np.ceil(confidence * bins) - 1).clip(0, bins - 1).astype(np.int64)  # a bin includes its upper edge
    gaps = np.bincount(place, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def check_probabilities(labels: Labels, probabilities: Probabilities) -> None:
    """Raise ValueError unless there is at least one row, and as many labels (N,) as rows of probabilities (N, K)."""
    if probabilities.ndim != 2:
        raise ValueError(f"expected probabilities of shape (N, K), got {probabilities.shape}")
    _check_rows(labels, probabilities[:, 0])


def _probability_of_truth(labels: Labels, probabilities: Probabilities) -> Probabilities:
    """(N,) the probability that each image's true class was given."""
    check_probabilities(labels, probabilities)
    return probabilities[np.arange(len(labels)), labels]


def _check_rows(labels: Labels, others: NDArray[Any]) -> None:
    if labels.ndim != 1 or labels.shape != others.shape:
        raise ValueError(f"expected as many labels as rows, got {labels.shape} and {others.shape}")
    if not labels.size:
        raise ValueError("expected at least one row, got none")
