"""scikit-learn's 1,797 digits of 8x8 pixels, as tenfold takes images."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from tenfold.values.dataset import Dataset


@cache
def digits() -> Dataset:
    """uint8 (1797, 1, 8, 8), 0..255, in an order that has been drawn once."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels = np.round(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Dataset(pixels[order], labels[order].astype(np.int64), np.arange(len(labels)), tuple(map(str, range(10))))
