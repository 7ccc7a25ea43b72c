"""Answering only when sure: how much is answered, and how well, at every confidence asked for.

R. El-Yaniv and Y. Wiener, "On the foundations of noise-free selective classification", JMLR 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGET = 0.999
"""Accuracy that the answered images shall reach where nobody says another."""


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """At each of T distinct confidences, highest first: what is left if only images at least as sure are answered.

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
    """Mean share of wrong answers over all coverages (AURC, Geifman et al. 2019): low if the errors are the unsure ones."""
    risk = curve.errors / curve.answered
    sizes = np.diff(curve.answered, prepend=0)
    return float((risk * sizes).sum() / curve.total)
