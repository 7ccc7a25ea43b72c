"""Grain of several kinds."""

from __future__ import annotations

import numpy as np

from tenfold.evaluation.corruptions.sampling import Pixels

DEVIATION = (0.08, 0.12, 0.18, 0.26, 0.38)
PHOTONS = (60, 25, 12, 5, 3)
REPLACED = (0.03, 0.06, 0.09, 0.17, 0.27)


def gaussian_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """A normal deviate added to every pixel."""
    return images + generator.standard_normal(images.shape, np.float32) * np.float32(DEVIATION[severity - 1])


def shot_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Poisson noise, as of a sensor that counts few photons: none where it is black."""
    photons = PHOTONS[severity - 1]
    return (generator.poisson(images * photons) / photons).astype(np.float32)


def impulse_noise(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Salt and pepper: a share of the pixels becomes black or white."""
    share = REPLACED[severity - 1]
    chance = generator.random(images.shape, np.float32)
    return np.where(chance < share / 2, np.float32(0), np.where(chance < share, np.float32(1), images))
