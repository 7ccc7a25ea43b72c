"""Digits to read: MNIST's test images where they are in the cache, else scikit-learn's digits made to look like
them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import tenfold
from tenfold.errors import TenfoldError


@cache
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """uint8 (N, 28, 28) and labels (N,)."""
    try:
        data = tenfold.load("mnist", "test")
        assert data.labels is not None
        return data.images[:, 0], data.labels
    except TenfoldError:
        from sklearn.datasets import load_digits

        from tenfold.reading.normalise import frame

        small = load_digits()
        large = [
            np.asarray(Image.fromarray((16 * i).clip(0, 255).astype(np.uint8)).resize((40, 40))) for i in small.images
        ]
        return np.stack([frame(i.astype(np.float32) / 255) for i in large]), small.target.astype(np.int64)


def is_mnist() -> bool:
    """Whether :func:`digits` are MNIST's own."""
    return len(digits()[0]) == 10_000


def on_page(
    image: NDArray[np.uint8], size: tuple[int, int], side: int, x: int, y: int, *, dark: bool
) -> NDArray[np.uint8]:
    """A page of (height, width) with ``image`` enlarged to ``side`` pixels at (x, y)."""
    page = np.zeros(size, np.uint8)
    page[y : y + side, x : x + side] = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    return 255 - page if dark else page
