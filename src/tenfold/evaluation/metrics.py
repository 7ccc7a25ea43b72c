"""How good predictions are, as numbers: functions over labels (N,) and predictions (N,) or probabilities (N, K)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.values.accuracy import Accuracy
from tenfold.values.predictions import Predictions

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
    """Mean gap, 0..1, between confidence and accuracy, over ``bins`` equal steps of confidence weighted by their
    images.

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


@dataclass(frozen=True)
class Score(Accuracy):
    """The accuracy of the set ``split``, with the figures of its probabilities."""

    split: str
    log_loss: float
    brier: float
    calibration_error: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {"split": self.split} | {name: value for name, value in asdict(self).items() if name != "split"}


def score(split: str, made: Predictions) -> Score:
    """The figures of labelled predictions with at least one row."""
    return Score(
        **asdict(made.score),
        split=split,
        log_loss=log_loss(made.truth, made.probabilities),
        brier=brier_score(made.truth, made.probabilities),
        calibration_error=expected_calibration_error(made.truth, made.probabilities),
    )


@dataclass(frozen=True)
class ConfusedPair:
    """``count`` images of class ``true`` were taken for class ``predicted``."""

    true: int
    predicted: int
    count: int


def most_confused_pairs(confusion: NDArray[np.int64], limit: int | None = None) -> list[ConfusedPair]:
    """The cells of a (K, K) confusion matrix that hold mistakes, most frequent first, ties in order of class."""
    pairs = [ConfusedPair(int(t), int(p), int(confusion[t, p])) for t, p in np.argwhere(confusion) if t != p]
    return sorted(pairs, key=lambda pair: -pair.count)[:limit]


def mistaken_rows(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """(M,) the rows whose most probable class is not the label, most confident mistake first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def hardest_rows(labels: Labels, probabilities: Probabilities, limit: int | None = None) -> NDArray[np.int64]:
    """(min(limit, N),) the rows whose true class was given the least probability, hardest first, right or wrong."""
    truth = probabilities[np.arange(len(labels)), labels]
    return np.argsort(truth, kind="stable")[:limit]


BLOCK = 4096
"""Training images compared at a time: bounds memory, whatever the training set."""


def nearest_neighbours(
    queries: NDArray[np.uint8], images: NDArray[np.uint8], count: int = 3
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ``count`` images nearest to each query, by Euclidean distance of pixels.

    Args:
        queries: uint8 (Q, C, H, W).
        images: uint8 (N, C, H, W).
        count: at most this many; N if there are fewer.

    Returns:
        (rows of ``images``, distances), each (Q, count), nearest first; of equally near ones the first.

    Raises:
        ValueError: the shapes of the images differ.
    """
    if queries.shape[1:] != images.shape[1:]:
        raise ValueError(f"expected images of one shape, got {queries.shape[1:]} and {images.shape[1:]}")
    count = min(count, len(images))
    size = math.prod(images.shape[1:])
    wanted = queries.reshape(len(queries), size).astype(np.float32)
    rows = np.zeros((len(queries), 0), dtype=np.int64)
    squares = np.zeros((len(queries), 0))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].reshape(-1, size).astype(np.float32)
        # |q - x|^2 without |q|^2, which is the same for all x
        gap = np.square(block).sum(axis=1, dtype=np.float64) - 2 * (wanted @ block.T).astype(np.float64)
        squares = np.concatenate([squares, gap], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(np.arange(start, start + len(block)), gap.shape)], axis=1)
        best = np.argsort(squares, axis=1, kind="stable")[:, :count]
        squares, rows = np.take_along_axis(squares, best, 1), np.take_along_axis(rows, best, 1)
    length = np.square(wanted, dtype=np.float64).sum(axis=1, keepdims=True)
    return rows, np.sqrt(np.maximum(squares + length, 0))


Votes = NDArray[np.integer[Any]]
Vote = Callable[[Iterable[NDArray[np.float32]]], NDArray[np.float32]]


def disagreement(votes: Votes) -> NDArray[np.float64]:
    """(M, M) the share of images on which two of M members give different classes, from their classes (M, N)."""
    _check(votes)
    return np.stack([(votes != one).mean(axis=1) for one in votes])


def q_statistic(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, M) Yule's Q of each two members, from whether each is right (M, N).

    1: they fail on the same images. 0: independently. Below 0: where one fails the other is right more often
    than by chance. NaN where one of them is always right or always wrong.
    """
    _check(correct)
    right = correct.astype(np.float64)
    wrong = 1 - right
    same = (right @ right.T) * (wrong @ wrong.T)
    other = (right @ wrong.T) * (wrong @ right.T)
    total = same + other
    return np.divide(same - other, total, out=np.full(total.shape, np.nan), where=total > 0)


def double_fault(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, M) the share of images on which both of two members are wrong; a member's own errors on the diagonal."""
    _check(correct)
    wrong = (~correct).astype(np.float64)
    return wrong @ wrong.T / correct.shape[1]


def mean_of_pairs(matrix: NDArray[np.float64]) -> float:
    """Mean over the pairs of different members; NaN where no pair has a value."""
    above = matrix[np.triu_indices(len(matrix), 1)]
    known = above[np.isfinite(above)]
    return float(known.mean()) if known.size else float("nan")


def growing_votes(members: Iterable[NDArray[np.float32]], vote: Vote) -> Iterator[NDArray[np.float32]]:
    """The ensemble's probabilities (N, K) with 1, 2, ... M members, in order.

    Args:
        members: probabilities (N, K) of each.
        vote: combines those of several.
    """
    so_far: list[NDArray[np.float32]] = []
    for probabilities in members:
        so_far.append(probabilities)
        yield vote(so_far)


def _check(rows: NDArray[Any]) -> None:
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"expected (M, N) with N >= 1, got {rows.shape}")
