"""What is no digit is taken out of the ink: specks, ruled lines, frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.components import boxes, label
from tenfold.reading.ink import InkMap, dilated

SPECK = 0.12
"""A component smaller than this share of the largest one, in both directions, is a speck."""
RULE = 0.6
"""A thin run of ink over this share of the picture's width, from side to side, is a ruled line ..."""
UPRIGHT = 0.85
"""... and beside such lines one over this share of its height, too."""
THICKEST = 0.04
"""Share of the picture's height that a line may be thick."""
EDGE = 0.03
"""A line begins and ends this close to the picture's sides, as a share of its width."""
SMALLEST = 40
"""Pixels; in smaller pictures nothing is told from a stroke."""


def cleaned(ink: InkMap) -> InkMap:
    """The ink without specks and ruled lines."""
    mask = without_rules(ink.mask)
    if not mask.any():  # nothing but lines: a dash, or a one on its side
        mask = ink.mask
    labels, count = label(mask)
    if count > 1:
        found = boxes(labels, count)
        size = np.maximum(found.width, found.height)
        kept = np.concatenate([[False], size >= SPECK * size.max()])
        mask = kept[labels]
    near = dilated(mask, 1)
    return replace(ink, mask=mask, ink=np.where(near, ink.ink, 0).astype(np.float32))


def without_rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` (H, W) without ruled lines; where strokes cross them, they stay.

    Upright lines are looked for only beside level ones, as in a grid, and no thicker: alone they are ones.
    """
    without, thick = _without_rows(mask, RULE, max(3, THICKEST * len(mask)))
    if thick == 0:
        return mask
    return _without_rows(without.T, UPRIGHT, 1.5 * thick + 1)[0].T


def _without_rows(mask: NDArray[np.bool_], least: float, thickest: float) -> tuple[NDArray[np.bool_], int]:
    """``mask`` without thin runs over ``least`` of its width, and how thick they were; 0 if there were none."""
    if mask.shape[1] < SMALLEST:
        return mask, 0
    edge = max(2, round(EDGE * mask.shape[1]))
    begins = dilated(mask[:, :edge].max(axis=1, keepdims=True), 2)[:, 0]
    leaves = dilated(mask[:, -edge:].max(axis=1, keepdims=True), 2)[:, 0]
    rows = (mask.mean(axis=1) >= least) & begins & leaves
    if not rows.any():
        return mask, 0
    tall = _run_heights(mask)
    thick = int(np.median(tall[rows][mask[rows]]))
    if thick > thickest:
        return mask, 0
    line = dilated(np.broadcast_to(rows[:, None], mask.shape), 1) & mask & (tall <= thick + 2)
    return mask & ~line, thick


def _run_heights(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, W) how tall the vertical run of ink through each pixel is; 0 outside."""
    down = np.zeros(mask.shape, np.int64)
    up = np.zeros(mask.shape, np.int64)
    for y in range(len(mask)):
        down[y] = np.where(mask[y], (down[y - 1] if y else 0) + 1, 0)
    for y in reversed(range(len(mask))):
        up[y] = np.where(mask[y], (up[y + 1] if y + 1 < len(mask) else 0) + 1, 0)
    return np.where(mask, down + up - 1, 0)
