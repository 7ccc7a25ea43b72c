"""Digits as coarse scanners and old data sets store them: few pixels, two levels, a box that is filled whatever its
aspect.
"""

from __future__ import annotations

import numpy as np

from tenfold.reading.ink import Ink, resized

LEAST, TWO_LEVELS = 10, 13
"""Rows below which nobody could read a digit, and with two levels only."""
STEMS = 0.3
"""What is narrower than this share of its height is a bar: stretched to a square it would be a blot."""


def scanned(ink: Ink, rng: np.random.Generator) -> Ink:
    """The ink (H, W) of one digit on a grid of 10 to 24 rows, often with two levels only, often wider than it was."""
    rows = int(np.exp(rng.uniform(np.log(LEAST), np.log(24))))
    aspect = ink.shape[1] / ink.shape[0]
    if rng.random() < 0.6:
        fill = rng.uniform(0, 1) if aspect > STEMS else rng.uniform(0, 0.6)
        aspect **= 1 - fill  # 1 fills a square
    columns = max(1, round(rows * aspect))
    coarse = resized(ink.astype(np.float32), rows, columns)
    if rows >= TWO_LEVELS and rng.random() < 0.6:
        coarse = (coarse > rng.uniform(0.25, 0.6) * coarse.max()).astype(np.float32)
    if rng.random() < 0.5:  # shown enlarged, pixel by pixel
        coarse = coarse.repeat(3, axis=0).repeat(3, axis=1)
    return coarse
