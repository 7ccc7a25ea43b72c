"""Which training images an image resembles most."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Training images compared at a time: bounds memory, whatever the training set."""


def nearest_neighbours(
    queries: NDArray[np.uint8], images: NDArray[np.uint8], count: int = 3
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ``count`` images nearest to each query, by Euclidean distance of pixels.

    Args:
        queries: uint8 (Q, C, H, W).
        images: uint8 (N, C, H, W).
        count: at most this many; N if there are fewer.

    Returns:
        (rows of ``images``, distances), each (Q, count), nearest first; of equally near ones the first.

    Raises:
        ValueError: the shapes of the images differ.
    """
    if queries.shape[1:] != images.shape[1:]:
        raise ValueError(f"expected images of one shape, got {queries.shape[1:]} and {images.shape[1:]}")
    count = min(count, len(images))
    size = math.prod(images.shape[1:])
    wanted = queries.reshape(len(queries), size).astype(np.float32)
    rows = np.zeros((len(queries), 0), dtype=np.int64)
    squares = np.zeros((len(queries), 0))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].reshape(-1, size).astype(np.float32)
        # |q - x|^2 without |q|^2, which is the same for all x
        gap = np.square(block).sum(axis=1, dtype=np.float64) - 2 * (wanted @ block.T).astype(np.float64)
        squares = np.concatenate([squares, gap], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(np.arange(start, start + len(block)), gap.shape)], axis=1)
        best = np.argsort(squares, axis=1, kind="stable")[:, :count]
        squares, rows = np.take_along_axis(squares, best, 1), np.take_along_axis(rows, best, 1)
    length = np.square(wanted, dtype=np.float64).sum(axis=1, keepdims=True)
    return rows, np.sqrt(np.maximum(squares + length, 0))
