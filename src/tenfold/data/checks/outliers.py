"""Where the ink stands: MNIST's recipe puts the centre of mass in the middle and keeps the edges empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, Subject, limited_ids, registered, share_of
from tenfold.data.ink import InkMeasures, is_inverted
from tenfold.values.dataset import Dataset

SPREADS = 5.0
"""An outlier's distance exceeds its class's median distance by this many robust standard deviations."""
FEWEST = 20
"""A class needs this many images before its spread means anything."""
_TO_DEVIATION = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation


@registered("inverted", 110)
def _inverted(subject: Subject) -> Finding:
    return inverted(subject.train)


@registered("off-centre", 120)
def _off_centre(subject: Subject) -> Finding:
    return off_centre(subject.train, subject.measures)


@registered("clipped", 130)
def _clipped(subject: Subject) -> Finding:
    return clipped(subject.train, subject.measures)


@registered("outliers", 140, "labels")
def _outliers(subject: Subject) -> Finding:
    return outliers(subject.train)


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
    scores = np.zeros(len(data))
    for label in np.unique(data.truth):
        rows = np.flatnonzero(data.truth == label)
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


FARTHEST = 0.1
"""A centre of mass may be this share of the side away from the middle; MNIST's farthest is 0.05."""
EDGE_INK = 0.5
"""Ink this strong on the outermost pixels means that strokes go on beyond them."""
COMMON = 0.5
"""What is true of more than this share of a set is its manner, not a fault."""


def inverted(data: Dataset) -> Finding:
    """Dark ink on a bright ground among images with bright ink, or the other way round."""
    bright = is_inverted(data.images)
    if bright.mean() > COMMON if len(data) else False:
        manner, rows = "bright", np.flatnonzero(~bright)
    else:
        manner, rows = "dark", np.flatnonzero(bright)
    fine = f"every image has a {manner} ground"
    advice = f"do not have the {manner} ground of the others; invert them"
    return _finding("inverted", data, rows, fine, advice)


def off_centre(data: Dataset, measures: InkMeasures) -> Finding:
    """Images whose centre of mass is far from the middle."""
    rows = np.flatnonzero(np.hypot(measures.x, measures.y) > FARTHEST)
    return _finding(
        "off-centre", data, rows, "every image is centred", "are off centre; move the centre of mass to the middle"
    )


def clipped(data: Dataset, measures: InkMeasures) -> Finding:
    """Images whose ink runs into the edge."""
    rows = np.flatnonzero(measures.edge >= EDGE_INK)
    return _finding(
        "clipped", data, rows, "no ink touches an edge", "touch an edge, so that ink may be missing; look at them"
    )


def _finding(name: str, data: Dataset, rows: NDArray[np.int64], fine: str, advice: str) -> Finding:
    count, total = len(rows), len(data)
    if not count:
        return Finding(name, "note", 0, total, fine)
    share = share_of(count, total, "images")
    if count > COMMON * total:
        return Finding(name, "note", count, total, f"{share} {advice.partition(';')[0]}: that is how this set is made")
    return Finding(
        name,
        "warning" if count > total / 100 else "note",
        count,
        total,
        f"{share} {advice}",
        limited_ids(data, rows[:, None]),
    )
