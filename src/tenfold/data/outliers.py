"""Images that are unlike the others of their class: wrong labels, foreign objects, broken scans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, limited_ids, share_of
from tenfold.values.dataset import Dataset

SPREADS = 5.0
"""An outlier's distance exceeds its class's median distance by this many robust standard deviations."""
FEWEST = 20
"""A class needs this many images before its spread means anything."""
_TO_DEVIATION = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation


def outliers(data: Dataset) -> Finding:
    """Images far from the mean of their class, the farthest first."""
    scores = outlier_scores(data)
    rows = np.flatnonzero(scores > SPREADS)
    if not len(rows):
        return Finding("outliers", "note", 0, len(data), "no image is far from the others of its class")
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    message = f"{share_of(len(rows), len(data), 'images')} are unlike the others of their class; check image and label"
    severity = "warning" if len(rows) > len(data) / 1000 else "note"
    return Finding("outliers", severity, len(rows), len(data), message, limited_ids(data, rows[:, None]))  # type: ignore[arg-type]


def outlier_scores(data: Dataset) -> NDArray[np.float64]:
    """(N,) distance from the class's mean image, in robust standard deviations above the class's median distance."""
    assert data.labels is not None
    scores = np.zeros(len(data))
    for label in np.unique(data.labels):
        rows = np.flatnonzero(data.labels == label)
        if len(rows) < FEWEST:
            continue
        distances = class_distances(data.images[rows])
        typical = np.median(distances)
        spread = _TO_DEVIATION * np.median(np.abs(distances - typical))
        scores[rows] = (distances - typical) / max(float(spread), 1e-9)
    return scores


def class_distances(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) root mean square difference of each image (N, C, H, W) from their mean, in grey levels."""
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels -= pixels.mean(axis=0)
    return np.sqrt(np.einsum("ij,ij->i", pixels, pixels, dtype=np.float64) / pixels.shape[1])
