"""Images turned, moved, shrunk, slanted, cut off, covered, and drawn with another pen."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions import Pixels, affine, corruption, either_way, pixels_of, smooth

OUTLINE = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Share of the outline in the mixture with the image; MNIST-C's has all of it."""
LOW, HIGH = 0.1, 0.2
Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@corruption(released=5)
def canny_edges(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """On the way to white outlines on black, which severity 5 is."""
    share = np.float32(OUTLINE[severity - 1])
    return images * (1 - share) + outlines(images).astype(np.float32) * share


def outlines(images: Pixels) -> Mask:
    """(N, C, H, W) where Canny's detector sees an edge, one pixel thin."""
    smoothed = smooth(images, pixels_of(images, 1.0))
    down, right = _slope(smoothed, 2), _slope(smoothed, 3)
    steepness = np.hypot(down, right)
    ridge = (steepness >= np.maximum(*_neighbours_across(steepness, down, right))) & (steepness >= LOW)
    ridge[:, :, [0, -1], :] = ridge[:, :, :, [0, -1]] = False  # nothing is known beyond the border
    return _connected(ridge & (steepness >= HIGH), ridge)


def _slope(images: Pixels, axis: int) -> Pixels:
    """Sobel's masks along ``axis``: differences, smoothed with (1, 2, 1) across."""
    across = 5 - axis
    before, after = _moved(images, axis, 1), _moved(images, axis, -1)
    rise: Pixels = after - before
    return _moved(rise, across, 1) + rise + rise + _moved(rise, across, -1)


def _neighbours_across(steepness: Pixels, down: Pixels, right: Pixels) -> tuple[Pixels, Pixels]:
    """The steepness one pixel further uphill and downhill, between two neighbours where the slope is oblique."""
    steeper_down = np.abs(down) >= np.abs(right)
    larger = np.maximum(np.abs(down), np.abs(right))
    share = np.minimum(np.abs(down), np.abs(right)) / np.maximum(larger, np.float32(1e-9))
    same_way = down * right >= 0
    sides = []
    for way in (1, -1):
        vertical, horizontal = _moved(steepness, 2, -way), _moved(steepness, 3, -way)
        falling = _moved(vertical, 3, -way)
        rising = np.where(steeper_down, _moved(vertical, 3, way), _moved(horizontal, 2, way))
        straight = np.where(steeper_down, vertical, horizontal)
        sides.append(straight + share * (np.where(same_way, falling, rising) - straight))
    return sides[0], sides[1]


def _connected(strong: Mask, weak: Mask) -> Mask:
    """The pixels of ``weak`` that a chain of neighbours in ``weak`` joins to one of ``strong``."""
    while True:
        grown = strong
        for axis in (2, 3):
            grown = grown | _moved(grown, axis, 1) | _moved(grown, axis, -1)
        grown = (grown & weak) | strong
        if (grown == strong).all():
            return strong
        strong = grown


def _moved(images: NDArray[T], axis: int, by: int) -> NDArray[T]:
    """One pixel towards the end (1) or the beginning (-1) of ``axis``; the border pixels go on outside."""
    places = (np.arange(images.shape[axis]) - by).clip(0, images.shape[axis] - 1)
    return images.take(places, axis)


STRIPE = (3, 4, 5, 6, 7)
"""Width, in pixels, of what is inverted on either side."""
LINES = (1, 2, 3, 4, 5)
PATCH = (4, 6, 8, 10, 12)
"""Side in pixels."""
SPATTER = (
    (0.65, 0.3, 4.0, 0.69, 0.6),
    (0.65, 0.3, 3.0, 0.68, 0.6),
    (0.65, 0.3, 2.0, 0.68, 0.5),
    (0.65, 0.3, 1.0, 0.65, 1.5),
    (0.67, 0.4, 1.0, 0.65, 1.5),
)
"""Mean and deviation of the noise, its blur, from where on it is a drop, blur of the drops."""
MUD = 63 / 255
_WET = 0.8
_INK = 0.2
_HALF_WIDTH = 2.3
"""Pixels from a line's centre to where it ends, fading."""
_ZIG = 2.0
"""Height in pixels of a zigzag's teeth above and below its line; each is twice as long as high."""


@corruption(released=5)
def stripe(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """The left and the right side inverted."""
    width = max(1, round(pixels_of(images, STRIPE[severity - 1])))
    changed = images.copy()
    for side in (slice(None, width), slice(-width, None)):
        changed[..., side] = 1 - images[..., side]
    return changed


@corruption(released=1)
def dotted_line(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """One to five straight dotted lines from the left edge to the right."""
    columns = np.arange(images.shape[3])
    dots = (columns // max(1, round(pixels_of(images, 2)))) % 2 == 1
    for _ in range(LINES[severity - 1]):
        images = images + _line(images, _straight(images, generator)) * dots
    return images


@corruption(released=1)
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


@corruption(released=4)
def spatter(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Drops of mud."""
    mean, deviation, blur, level, soft = SPATTER[severity - 1]
    shape = (len(images), 1, *images.shape[2:])
    noise = generator.standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)
    drops = (smooth(noise, pixels_of(images, blur)) > level).astype(np.float32)
    drops = smooth(drops, pixels_of(images, soft))
    drops[drops < _WET] = 0
    return images * (1 - drops) + np.float32(MUD) * drops


@corruption(in_mnist_c=False)
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
    """(N, 1, H, W) how bright a line is that crosses column j at ``rows[:, j]``: full at its centre, fading to its
    sides.
    """
    reach = pixels_of(images, _HALF_WIDTH)
    distance = np.abs(np.arange(images.shape[2])[:, None] - rows[:, None, :])
    bright = np.log(np.maximum(1 - distance / reach, 1e-6)) + 1
    return bright.clip(0, 1).astype(np.float32)[:, None]


THINNER = (0.2, 0.4, 0.6, 0.8, 1.0)
THICKER = (0.4, 0.8, 1.2, 1.6, 2.0)
"""Pixels taken from, or added to, each side of a stroke."""


@corruption(in_mnist_c=False)
def thin(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Written with a thinner pen."""
    return 1 - _grown(1 - images, pixels_of(images, THINNER[severity - 1]))


@corruption(in_mnist_c=False)
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


RADIANS = SLANT = (0.2, 0.4, 0.6, 0.8, 1.0)
SHRUNK_TO = (0.9, 0.8, 0.7, 0.6, 0.5)
SHIFT = CUT = (1, 2, 3, 4, 5)


@corruption(released=2)
def rotate(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Turned by 11 to 57 degrees, either way."""
    angle = RADIANS[severity - 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return _either(
        images, np.array([[cosine, -sine], [sine, cosine]]), np.array([[cosine, sine], [-sine, cosine]]), generator
    )


@corruption(released=2)
def shear(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Slanted by 11 to 57 degrees, either way."""
    angle = SLANT[severity - 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return _either(images, np.array([[1, -sine], [0, cosine]]), np.array([[1, sine], [0, cosine]]), generator)


@corruption(released=3)
def scale(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Shrunk to 90 to 50 % of its size, about the centre."""
    return affine(images, np.eye(2) / SHRUNK_TO[severity - 1])


@corruption(released=3)
def translate(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Moved along both axes by 1 to 5 pixels, either way."""
    distance = max(1, round(pixels_of(images, SHIFT[severity - 1])))
    down, right = (np.where(either_way(len(images), generator), distance, -distance) for _ in range(2))
    return _translated(images, down, right)


@corruption(in_mnist_c=False)
def clipped(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Moved over one edge of the image until 1 to 5 pixels of the ink are cut off."""
    cut = max(1, round(pixels_of(images, CUT[severity - 1])))
    margins = _margins(images)  # top, bottom, left, right
    side = generator.integers(0, 4, len(images))
    reach = margins[np.arange(len(images)), side] + cut
    away = np.where(side % 2 == 0, -reach, reach)
    return _translated(images, np.where(side < 2, away, 0), np.where(side >= 2, away, 0))


def _either(
    images: Pixels, one: NDArray[np.float64], other: NDArray[np.float64], generator: np.random.Generator
) -> Pixels:
    """Half of the images read through one matrix, half through the other."""
    first = either_way(len(images), generator)
    result = np.empty_like(images)
    result[first] = affine(images[first], one)
    result[~first] = affine(images[~first], other)
    return result


def _translated(images: Pixels, down: NDArray[np.int64], right: NDArray[np.int64]) -> Pixels:
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
