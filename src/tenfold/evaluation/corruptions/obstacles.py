"""Something in the way: stripes, lines, drops, a patch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions.sampling import Pixels, pixels_of, smooth

STRIPE = (3, 4, 5, 6, 7)
"""Width, in pixels, of what is inverted on either side."""
LINES = (1, 2, 3, 4, 5)
PATCH = (4, 6, 8, 10, 12)
"""Side in pixels."""
SPATTER = ((0.65, 0.3, 4.0, 0.69, 0.6), (0.65, 0.3, 3.0, 0.68, 0.6), (0.65, 0.3, 2.0, 0.68, 0.5), (0.65, 0.3, 1.0, 0.65, 1.5),
           (0.67, 0.4, 1.0, 0.65, 1.5))  # fmt: skip
"""Mean and deviation of the noise, its blur, from where on it is a drop, blur of the drops."""
MUD = 63 / 255
_WET = 0.8
_INK = 0.2
_HALF_WIDTH = 2.3
"""Pixels from a line's centre to where it ends, fading."""
_ZIG = 2.0
"""Height in pixels of a zigzag's teeth above and below its line; each is twice as long as high."""


def stripe(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The left and the right side inverted."""
    width = max(1, round(pixels_of(images, STRIPE[severity - 1])))
    changed = images.copy()
    for side in (slice(None, width), slice(-width, None)):
        changed[..., side] = 1 - images[..., side]
    return changed


def dotted_line(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """One to five straight dotted lines from the left edge to the right."""
    columns = np.arange(images.shape[3])
    dots = (columns // max(1, round(pixels_of(images, 2)))) % 2 == 1
    for _ in range(LINES[severity - 1]):
        images = images + _line(images, _straight(images, generator)) * dots
    return images


def zigzag(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """One to five zigzag lines from side to side."""
    columns = np.arange(images.shape[3])
    height = pixels_of(images, _ZIG)
    phase = (columns / (2 * height)) % 2
    teeth = height * (2 * np.abs(phase - 1) - 1)
    inside = (columns >= pixels_of(images, 2)) & (columns <= images.shape[3] - pixels_of(images, 3))
    for _ in range(LINES[severity - 1]):
        images = images + _line(images, _straight(images, generator, steepest=pixels_of(images, 5)) + teeth) * inside
    return images


def spatter(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Drops of mud."""
    mean, deviation, blur, level, soft = SPATTER[severity - 1]
    shape = (len(images), 1, *images.shape[2:])
    noise = generator.standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)
    drops = (smooth(noise, pixels_of(images, blur)) > level).astype(np.float32)
    drops = smooth(drops, pixels_of(images, soft))
    drops[drops < _WET] = 0
    return images * (1 - drops) + np.float32(MUD) * drops


def occlusion(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """A black square somewhere over the ink."""
    half = pixels_of(images, PATCH[severity - 1]) / 2
    height, width = images.shape[2:]
    ink = images.max(axis=1).reshape(len(images), -1) > _INK
    place = (generator.random(ink.shape, np.float32) * np.where(ink, 1, 1e-6)).argmax(axis=1)
    row, column = np.divmod(place, width)
    over_rows = np.abs(np.arange(height) - row[:, None]) <= half
    over_columns = np.abs(np.arange(width) - column[:, None]) <= half
    return images * ~(over_rows[:, :, None] & over_columns[:, None, :])[:, None]


def _straight(images: Pixels, generator: np.random.Generator, steepest: float | None = None) -> NDArray[np.float64]:
    """(N, W) the row at which a straight line crosses each column; it rises or falls by at most ``steepest``."""
    height, width = images.shape[2:]
    start = generator.uniform(0, height - 1, (len(images), 1))
    rise = (
        generator.uniform(0, height - 1, start.shape) - start
        if steepest is None
        else generator.uniform(-1, 1, start.shape) * steepest
    )
    return start + rise * np.linspace(0, 1, width)


def _line(images: Pixels, rows: NDArray[np.float64]) -> Pixels:
    """(N, 1, H, W) how bright a line is that crosses column j at ``rows[:, j]``: full at its centre, fading to its sides."""
    reach = pixels_of(images, _HALF_WIDTH)
    distance = np.abs(np.arange(images.shape[2])[:, None] - rows[:, None, :])
    bright = np.log(np.maximum(1 - distance / reach, 1e-6)) + 1
    return bright.clip(0, 1).astype(np.float32)[:, None]
