"""Out of focus, moved while taken, seen through rough glass."""

from __future__ import annotations

import numpy as np

from tenfold.evaluation.corruptions.sampling import Pixels, pixels_of, sample, smooth

SIGMA = (1, 2, 3, 4, 6)
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Length and deviation of the trail, in pixels."""
GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Deviation of the blur before and after, reach of a swap, rounds."""
DIRECTIONS = 8


def gaussian_blur(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Out of focus."""
    return smooth(images, pixels_of(images, SIGMA[severity - 1]))


def motion_blur(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Moved while taken: a trail to one side, in one of 8 directions within 45 degrees of the horizontal."""
    length, sigma = (pixels_of(images, value) for value in MOTION[severity - 1])
    steps = np.arange(round(length) + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    rows, columns = np.indices(images.shape[2:], dtype=np.float64)
    direction = generator.integers(0, DIRECTIONS, len(images))
    result = np.zeros_like(images)
    for index, angle in enumerate(np.linspace(-np.pi / 4, np.pi / 4, DIRECTIONS)):
        chosen = direction == index
        for step, weight in zip(steps, weights, strict=True):
            place = rows + step * np.sin(angle), columns + step * np.cos(angle)
            result[chosen] += np.float32(weight) * sample(images[chosen], *place)
    return result


def glass_blur(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Every other pixel swapped with one nearby, between two blurs."""
    sigma, reach, rounds = GLASS[severity - 1]
    images = smooth(images, pixels_of(images, sigma))
    count, _, height, width = images.shape
    each = np.arange(count)
    for _ in range(rounds):
        for row in range(height - reach - 1, reach - 1, -1):
            for column in range(width - reach - 1, reach - 1, -1):
                down, right = generator.integers(-reach, reach + 1, (2, count)) * (generator.random(count) < 0.5)
                here, there = images[:, :, row, column].copy(), images[each, :, row + down, column + right]
                images[each, :, row + down, column + right] = here
                images[:, :, row, column] = there
    return smooth(images, pixels_of(images, sigma))
