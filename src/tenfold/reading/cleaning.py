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
"""A thin run of ink over this share of the picture's width is a ruled line."""


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
    """``mask`` (H, W) without long thin lines along either axis; where strokes cross them, they stay."""
    return _without_rows(_without_rows(mask).T).T


def _without_rows(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = mask.shape
    if width < 40:
        return mask
    tall = _run_heights(mask)
    share = mask.mean(axis=1)
    if share.max() < RULE:
        return mask
    rows = share >= RULE
    thick = int(np.median(tall[rows][mask[rows]]))
    if thick > max(3, 0.1 * height):
        return mask
    line = dilated(np.broadcast_to(rows[:, None], mask.shape), 1) & mask & (tall <= thick + 2)
    return mask & ~line


def _run_heights(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, W) how tall the vertical run of ink through each pixel is; 0 outside."""
    down = np.zeros(mask.shape, np.int64)
    up = np.zeros(mask.shape, np.int64)
    for y in range(len(mask)):
        down[y] = np.where(mask[y], (down[y - 1] if y else 0) + 1, 0)
    for y in reversed(range(len(mask))):
        up[y] = np.where(mask[y], (up[y + 1] if y + 1 < len(mask) else 0) + 1, 0)
    return np.where(mask, down + up - 1, 0)
