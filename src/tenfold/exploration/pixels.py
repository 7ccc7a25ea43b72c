"""What ``describe()`` says about a table of pixels, as one can read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.values.dataset import Dataset


@dataclass(frozen=True)
class Pixels:
    """The pixels of one set.

    Attributes:
        mean: of all pixels, 0..255.
        deviation: standard deviation of all pixels.
        lowest: smallest value that occurs.
        highest: largest value that occurs.
        zeros: share of all pixels that are 0.
        never_used: bool (C, H, W), pixels that are 0 in every image.
        mean_image: float64 (C, H, W).
    """

    mean: float
    deviation: float
    lowest: int
    highest: int
    zeros: float
    never_used: NDArray[np.bool_]
    mean_image: NDArray[np.float64]


def pixels(images: NDArray[np.uint8]) -> Pixels:
    """Summarise uint8 (N, C, H, W), N >= 1. Exact: from the counts of the 256 values."""
    counts = np.bincount(images.reshape(-1), minlength=256)
    values = np.arange(256)
    mean = float(counts @ values / counts.sum())
    deviation = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
    present = np.flatnonzero(counts)
    return Pixels(
        mean=mean,
        deviation=deviation,
        lowest=int(present[0]),
        highest=int(present[-1]),
        zeros=float(counts[0] / counts.sum()),
        never_used=images.max(axis=0) == 0,
        mean_image=images.mean(axis=0, dtype=np.float64),
    )


def ink_per_class(data: Dataset) -> NDArray[np.float64]:
    """(K,) mean of all pixels of each class's images, 0..255; NaN for a class without images."""
    assert data.labels is not None
    each = data.images.reshape(len(data), -1).mean(axis=1, dtype=np.float64)
    classes = len(data.class_names)
    counts = np.bincount(data.labels, minlength=classes)
    return np.divide(np.bincount(data.labels, each, classes), counts, out=np.full(classes, np.nan), where=counts > 0)
