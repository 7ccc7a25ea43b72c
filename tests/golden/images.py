"""Images made by arithmetic, the same for ever."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.values.dataset import Dataset


def images(count: int = 60) -> NDArray[np.uint8]:
    """uint8 (N, 1, 8, 8): a bright line at one of three places, on a ground that differs from image to image."""
    n, y, x = np.indices((count, 8, 8))
    ground = (n * 37 + y * 11 + x * 5) % 60
    return np.where(y == 1 + 2 * (n % 3), 250 - ground, ground).astype(np.uint8)[:, None]


def labelled(count: int = 300) -> Dataset:
    """The same with the place as label."""
    return Dataset(images(count), np.arange(count) % 3, np.arange(1, count + 1), ("top", "middle", "bottom"))
