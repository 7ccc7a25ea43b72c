"""How far an image is from others when slight moves, turns, scalings and blurs cost nothing.

Simard, LeCun and Denker, "Efficient Pattern Recognition Using a New Transformation Distance" (1993): such changes span a
plane at each image, and what is measured is the distance to that plane. A copy that was turned or resized lies nearly in
it; another person's digit does not, however alike it looks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.ink import Grid

Vectors = NDArray[np.float32]

_ROWS_AT_ONCE = 512
_RIDGE = 1e-5
"""Keeps the plane's equations solvable where two changes come to the same, as a turn of a disc and none."""


def tangent_distances(images: Vectors, others: Vectors, chosen: NDArray[np.int64], shape: tuple[int, int]) -> Vectors:
    """Squared distance of each image's plane from some of the others.

    Args:
        images: float32 (R, H * W).
        others: float32 (N, H * W), of length 1.
        chosen: int64 (R, T), which of the others are measured from each image.
        shape: (H, W).

    Returns:
        float32 (R, T), 0 for a copy, at most 1.
    """
    distances = np.empty(chosen.shape, np.float32)
    for start in range(0, len(images), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        plane = _plane(images[some].reshape(-1, *shape))
        across = plane @ others[chosen[some]].transpose(0, 2, 1)  # (R, 7, T)
        square = plane @ plane.transpose(0, 2, 1) + np.float32(_RIDGE) * np.eye(plane.shape[1], dtype=np.float32)
        distances[some] = 1 - (across * np.linalg.solve(square, across)).sum(axis=1)
    return np.maximum(distances, 0)


def _plane(images: Grid) -> Grid:
    """(R, 7, H * W): each image and what changes it by a little, of length 1 where there is any change."""
    count, height, width = images.shape
    down, right = np.gradient(images, axis=(1, 2))
    y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    blur = np.gradient(down, axis=1) + np.gradient(right, axis=2)
    brighter = np.ones_like(images)
    changes = [images, brighter, right, down, y * right - x * down, x * right + y * down, blur]
    plane = np.stack(changes, axis=1).reshape(count, len(changes), height * width).astype(np.float32)
    return plane / np.maximum(np.linalg.norm(plane, axis=2, keepdims=True), 1e-6)
