"""Only the outlines are left.

J. Canny, "A computational approach to edge detection", PAMI 1986, with the settings of scikit-image's ``canny``, as MNIST-C
has it: smoothed by one pixel, thresholds of 0.1 and 0.2 of the slope that Sobel's masks give.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions.sampling import Pixels, pixels_of, smooth

OUTLINE = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Share of the outline in the mixture with the image; MNIST-C's has all of it."""
LOW, HIGH = 0.1, 0.2
Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


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
