"""Images turned, moved, shrunk, slanted, cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions.sampling import Pixels, affine, either_way, pixels_of

RADIANS = SLANT = (0.2, 0.4, 0.6, 0.8, 1.0)
SHRUNK_TO = (0.9, 0.8, 0.7, 0.6, 0.5)
SHIFT = CUT = (1, 2, 3, 4, 5)
_INK = 0.2


def rotate(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Turned by 11 to 57 degrees, either way."""
    angle = RADIANS[severity - 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return _either(images, np.array([[cosine, -sine], [sine, cosine]]), np.array([[cosine, sine], [-sine, cosine]]), generator)


def shear(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Slanted by 11 to 57 degrees, either way."""
    angle = SLANT[severity - 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return _either(images, np.array([[1, -sine], [0, cosine]]), np.array([[1, sine], [0, cosine]]), generator)


def scale(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Shrunk to 90 to 50 % of its size, about the centre."""
    return affine(images, np.eye(2) / SHRUNK_TO[severity - 1])


def translate(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Moved along both axes by 1 to 5 pixels, either way."""
    distance = max(1, round(pixels_of(images, SHIFT[severity - 1])))
    down, right = (np.where(either_way(len(images), generator), distance, -distance) for _ in range(2))
    return _moved(images, down, right)


def clipped(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Moved over one edge of the image until 1 to 5 pixels of the ink are cut off."""
    cut = max(1, round(pixels_of(images, CUT[severity - 1])))
    margins = _margins(images)  # top, bottom, left, right
    side = generator.integers(0, 4, len(images))
    reach = margins[np.arange(len(images)), side] + cut
    away = np.where(side % 2 == 0, -reach, reach)
    return _moved(images, np.where(side < 2, away, 0), np.where(side >= 2, away, 0))


def _either(images: Pixels, one: NDArray[np.float64], other: NDArray[np.float64], generator: np.random.Generator) -> Pixels:
    """Half of the images read through one matrix, half through the other."""
    first = either_way(len(images), generator)
    result = np.empty_like(images)
    result[first] = affine(images[first], one)
    result[~first] = affine(images[~first], other)
    return result


def _moved(images: Pixels, down: NDArray[np.int64], right: NDArray[np.int64]) -> Pixels:
    """Each image moved by its own whole pixels (N,); black comes in."""
    for axis, by in ((2, down), (3, right)):
        size = images.shape[axis]
        source = np.arange(size) - by[:, None]
        shape = [len(images), 1, 1, 1]
        shape[axis] = size
        inside = ((source >= 0) & (source < size)).reshape(shape)
        images = np.take_along_axis(images, source.clip(0, size - 1).reshape(shape), axis) * inside
    return images


def _margins(images: Pixels) -> NDArray[np.int64]:
    """(N, 4) empty rows above and below the ink, empty columns left and right of it; 0 for an image without ink."""
    ink = images.max(axis=1) > _INK
    lines = (ink.any(axis=2), ink.any(axis=2)[:, ::-1], ink.any(axis=1), ink.any(axis=1)[:, ::-1])
    return np.stack([line.argmax(axis=1) for line in lines], axis=1)
