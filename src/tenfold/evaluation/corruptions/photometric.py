"""Noise, blur, light, contrast, fog and lossy storage: the ink stays where it is."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.evaluation.corruptions import Pixels, corruption, pixels_of, sample, smooth

SIGMA = (1, 2, 3, 4, 6)
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Length and deviation of the trail, in pixels."""
GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Deviation of the blur before and after, reach of a swap, rounds."""
DIRECTIONS = 8


@corruption()
def gaussian_blur(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Out of focus."""
    return smooth(images, pixels_of(images, SIGMA[severity - 1]))


@corruption(released=1)
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


@corruption(released=1)
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


QUALITY = (25, 18, 15, 10, 7)


@corruption()
def jpeg_compression(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Saved as a JPEG of low quality and read again, each channel as a grey picture."""
    height, width = images.shape[2:]
    planes = np.rint(images.clip(0, 1) * 255).astype(np.uint8).reshape(-1, height, width)
    decoded = np.stack([_saved(plane, QUALITY[severity - 1]) for plane in planes])
    return (decoded.reshape(images.shape) / np.float32(255)).astype(np.float32)


def _saved(plane: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    content = io.BytesIO()
    Image.fromarray(plane).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


DEVIATION = (0.08, 0.12, 0.18, 0.26, 0.38)
PHOTONS = (60, 25, 12, 5, 3)
REPLACED = (0.03, 0.06, 0.09, 0.17, 0.27)


@corruption()
def gaussian_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """A normal deviate added to every pixel."""
    return images + generator.standard_normal(images.shape, np.float32) * np.float32(DEVIATION[severity - 1])


@corruption(released=5)
def shot_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Poisson noise, as of a sensor that counts few photons: none where it is black."""
    photons = PHOTONS[severity - 1]
    return (generator.poisson(images * photons) / photons).astype(np.float32)


@corruption(released=4)
def impulse_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Salt and pepper: a share of the pixels becomes black or white."""
    share = REPLACED[severity - 1]
    chance = generator.random(images.shape, np.float32)
    return np.where(chance < share / 2, np.float32(0), np.where(chance < share, np.float32(1), images))


ADDED = (0.1, 0.2, 0.3, 0.4, 0.5)
KEPT_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
NEGATIVE = (0.2, 0.4, 0.6, 0.8, 1.0)
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
"""Thickness, and how much finer swaths are weaker."""


@corruption(released=5)
def brightness(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Every pixel brighter by the same amount."""
    return images + np.float32(ADDED[severity - 1])


@corruption()
def contrast(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """All pixels nearer to the image's mean."""
    mean = images.mean(axis=(2, 3), keepdims=True)
    return (images - mean) * np.float32(KEPT_CONTRAST[severity - 1]) + mean


@corruption()
def inverse(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """On the way to the negative, which severity 5 is; in between, images become grey."""
    share = np.float32(NEGATIVE[severity - 1])
    return images * (1 - share) + (1 - images) * share


@corruption(released=5)
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
