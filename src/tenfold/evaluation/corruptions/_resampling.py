"""Images read at other places, and blurred: what several corruptions are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions import Pixels

USUAL_SIDE = 28
"""Strengths in pixels are meant for images of this side."""


def pixels_of(images: Pixels, length: float) -> float:
    """``length`` pixels of a 28 x 28 image, in pixels of these images (N, C, H, W)."""
    return length * max(images.shape[2:]) / USUAL_SIDE


def affine(images: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    """Read at ``matrix`` (2, 2) times the place (x, y) seen from the centre; bilinear, black outside."""
    height, width = images.shape[2:]
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    columns, rows = np.tensordot(matrix, np.stack([x, y]), 1)
    return sample(images, rows + (height - 1) / 2, columns + (width - 1) / 2)


def sample(images: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Pixels:
    """(N, C, H, W) with pixel (i, j) read at (rows[i, j], columns[i, j]); bilinear, black outside."""
    count, channels, height, width = images.shape
    flat = images.reshape(count * channels, height * width)
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    result = np.zeros_like(flat)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            weight = (1 - np.abs(rows - row)) * (1 - np.abs(columns - column))
            weight = np.where((row >= 0) & (row < height) & (column >= 0) & (column < width), weight, 0).astype(
                np.float32
            )
            place = row.clip(0, height - 1) * width + column.clip(0, width - 1)
            result += flat[:, place.ravel()] * weight.ravel()
    return result.reshape(images.shape)


def smooth(images: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur of ``sigma`` pixels along both axes; the border pixels go on outside."""
    reach = max(1, round(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (2, 3):
        size = images.shape[axis]
        # row i of the product with this (size, size) matrix is the blurred line's pixel i
        line = np.zeros((size, size), np.float32)
        for offset, tap in zip(range(-reach, reach + 1), taps, strict=True):
            line[np.arange(size), (np.arange(size) + offset).clip(0, size - 1)] += tap
        images = np.moveaxis(np.moveaxis(images, axis, -1) @ line.T, -1, axis)
    return np.ascontiguousarray(images)


def either_way(count: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) a coin toss for each image."""
    return generator.random(count) < 0.5
