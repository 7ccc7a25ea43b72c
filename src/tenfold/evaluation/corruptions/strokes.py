"""Thinner and thicker pens.

After D. C. Castro et al., "Morpho-MNIST: quantitative assessment and diagnostics for representation learning",
JMLR 2019, but with parts of a pixel: an image is mixed with its erosion or dilation by a cross of three pixels.
"""

from __future__ import annotations

import numpy as np

from tenfold.evaluation.corruptions.sampling import Pixels, pixels_of

THINNER = (0.2, 0.4, 0.6, 0.8, 1.0)
THICKER = (0.4, 0.8, 1.2, 1.6, 2.0)
"""Pixels taken from, or added to, each side of a stroke."""


def thin(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Written with a thinner pen."""
    return 1 - _grown(1 - images, pixels_of(images, THINNER[severity - 1]))


def thick(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Written with a thicker pen."""
    return _grown(images, pixels_of(images, THICKER[severity - 1]))


def _grown(images: Pixels, pixels: float) -> Pixels:
    while pixels > 0:
        share = np.float32(min(pixels, 1.0))
        images = images * (1 - share) + _dilated(images) * share
        pixels -= 1
    return images


def _dilated(images: Pixels) -> Pixels:
    """The greatest of each pixel and its four neighbours."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    neighbours = (padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1], padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:])
    return np.maximum.reduce([images, *neighbours])
