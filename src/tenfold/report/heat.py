"""Numbers over the pixels of an image as pictures: orange speaks for, blue against, black is nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOR = np.array([255, 150, 60], dtype=np.float64)
AGAINST = np.array([70, 160, 255], dtype=np.float64)
FADED = 0.4
"""How bright the image itself is below its heat."""

STRONGEST = 0.98
"""Share of the pixels that are below full colour."""


def heat(values: NDArray[np.floating], limit: float | None = None) -> NDArray[np.uint8]:
    """uint8 (..., 3, H, W) for values (..., H, W): full colour at ``limit``, by default the largest of all of them."""
    limit = float(np.abs(values).max(initial=0)) if limit is None else limit
    strength = np.clip(values / (limit or 1), -1, 1)[..., None, :, :]
    hue = np.where(strength > 0, FOR[:, None, None], AGAINST[:, None, None])
    return (np.abs(strength) * hue).round().astype(np.uint8)


def over(image: NDArray[np.uint8], values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """uint8 (3, H, W): the heat of ``values`` (H, W) over ``image`` (C, H, W), which is shown grey."""
    grey = image.astype(np.float64).mean(axis=0) * FADED
    limit = float(np.quantile(np.abs(values), STRONGEST)) or 1.0  # a few pixels must not outshine the rest
    strength = np.clip(np.abs(values) / limit, 0, 1)
    return (heat(values, limit) + grey * (1 - strength)).round().astype(np.uint8)


def tiles(maps: NDArray[np.floating], columns: int) -> NDArray[np.uint8]:
    """Maps (C, H, W) side by side, a dark grey line between them: uint8 (rows, columns, 3).

    Maps without negative values are white on black, others orange and blue; all share one scale.
    """
    count, height, width = maps.shape
    rows = -(-count // columns)
    if (maps < 0).any():
        pictures = heat(maps).transpose(0, 2, 3, 1)
    else:
        top = float(maps.max(initial=0)) or 1.0
        pictures = np.repeat((maps / top * 255).round().astype(np.uint8)[..., None], 3, axis=3)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 56, np.uint8)
    for place, picture in enumerate(pictures):
        top_row, left = (place // columns) * (height + 1), (place % columns) * (width + 1)
        canvas[top_row : top_row + height, left : left + width] = picture
    return canvas
