"""Each class as images: its mean, its median, its variance, and who is nearest to and farthest from the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.data.outliers import class_distances
from tenfold.values.dataset import Dataset


@dataclass(frozen=True)
class ClassImages:
    """One class of ``count`` images.

    Attributes:
        label: the class.
        count: how many images it has; at least one.
        mean: float64 (C, H, W).
        median: float64 (C, H, W).
        variance: float64 (C, H, W), of the population.
        nearest: int64 rows of the dataset, nearest to the mean first.
        farthest: int64 rows of the dataset, farthest from the mean first.
    """

    label: int
    count: int
    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    variance: NDArray[np.float64]
    nearest: NDArray[np.int64]
    farthest: NDArray[np.int64]


def class_images(data: Dataset, extremes: int = 10) -> list[ClassImages]:
    """The classes of a labelled dataset that have images, each with ``extremes`` rows from both ends."""
    assert data.labels is not None
    return [_one_class(data, int(label), np.flatnonzero(data.labels == label), extremes) for label in np.unique(data.labels)]


def _one_class(data: Dataset, label: int, rows: NDArray[np.int64], extremes: int) -> ClassImages:
    images = data.images[rows]
    order = np.argsort(class_distances(images), kind="stable")
    return ClassImages(
        label=label,
        count=len(rows),
        mean=images.mean(axis=0, dtype=np.float64),
        median=np.median(images, axis=0),
        variance=_variance(images),
        nearest=rows[order[:extremes]],
        farthest=rows[order[::-1][:extremes]],
    )


def _variance(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(C, H, W), from whole numbers: exact, and without a float copy of all images."""
    wide = images.astype(np.uint32)
    total, squares = wide.sum(axis=0, dtype=np.uint64), np.einsum("nchw,nchw->chw", wide, wide, dtype=np.uint64)
    count = len(images)
    return squares.astype(np.float64) / count - (total.astype(np.float64) / count) ** 2
