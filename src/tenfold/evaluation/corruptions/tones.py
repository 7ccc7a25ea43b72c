"""Brighter, flatter, turned into its negative, behind fog."""

from __future__ import annotations

import numpy as np

from tenfold.evaluation.corruptions.sampling import Pixels

ADDED = (0.1, 0.2, 0.3, 0.4, 0.5)
KEPT_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
NEGATIVE = (0.2, 0.4, 0.6, 0.8, 1.0)
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
"""Thickness, and how much finer swaths are weaker."""


def brightness(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Every pixel brighter by the same amount."""
    return images + np.float32(ADDED[severity - 1])


def contrast(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """All pixels nearer to the image's mean."""
    mean = images.mean(axis=(2, 3), keepdims=True)
    return (images - mean) * np.float32(KEPT_CONTRAST[severity - 1]) + mean


def inverse(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """On the way to the negative, which severity 5 is; in between, images become grey."""
    share = np.float32(NEGATIVE[severity - 1])
    return images * (1 - share) + (1 - images) * share


def fog(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Behind swaths of cloud: noise of every size, the larger the stronger."""
    thickness, decay = FOG[severity - 1]
    count, _, height, width = images.shape
    cloud = np.zeros((count, 1, height, width), np.float32)
    cells, strength = 1, 1.0
    while cells <= max(height, width):
        grid = generator.random((count, cells + 1, cells + 1), np.float32)
        cloud += np.float32(strength) * _stretched(grid, height, width)[:, None]
        cells, strength = 2 * cells, strength / decay
    cloud -= cloud.min(axis=(2, 3), keepdims=True)
    cloud /= np.maximum(cloud.max(axis=(2, 3), keepdims=True), 1e-6)
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    return ((images + thickness * cloud) * brightest / (brightest + thickness)).astype(np.float32)


def _stretched(grid: Pixels, height: int, width: int) -> Pixels:
    """(N, A, B) as (N, height, width), bilinear."""
    for axis, size in ((1, height), (2, width)):
        place = np.linspace(0, grid.shape[axis] - 1, size)
        low = np.minimum(np.floor(place).astype(np.int64), grid.shape[axis] - 2)
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        grid = grid.take(low, axis) * (1 - share) + grid.take(low + 1, axis) * share
    return grid
