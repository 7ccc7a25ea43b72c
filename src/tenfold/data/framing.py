"""Where the ink stands: MNIST's recipe puts the centre of mass in the middle and keeps the edges empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, limited_ids, share_of
from tenfold.data.ink import InkMeasures, is_inverted
from tenfold.values.dataset import Dataset

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
    return _finding("off-centre", data, rows, "every image is centred", "are off centre; move the centre of mass to the middle")


def clipped(data: Dataset, measures: InkMeasures) -> Finding:
    """Images whose ink runs into the edge."""
    rows = np.flatnonzero(measures.edge >= EDGE_INK)
    return _finding("clipped", data, rows, "no ink touches an edge", "touch an edge, so that ink may be missing; look at them")


def _finding(name: str, data: Dataset, rows: NDArray[np.int64], fine: str, advice: str) -> Finding:
    count, total = len(rows), len(data)
    if not count:
        return Finding(name, "note", 0, total, fine)
    share = share_of(count, total, "images")
    if count > COMMON * total:
        return Finding(name, "note", count, total, f"{share} {advice.partition(';')[0]}: that is how this set is made")
    return Finding(
        name, "warning" if count > total / 100 else "note", count, total, f"{share} {advice}", limited_ids(data, rows[:, None])
    )
