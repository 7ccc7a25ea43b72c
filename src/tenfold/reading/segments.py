"""What lies between two seams of a line: the images that the recogniser is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.cuts import Seams
from tenfold.reading.ink import Ink
from tenfold.reading.lines import HEIGHT
from tenfold.reading.normalise import FAINT, frame

WIDEST = 2.2
"""No digit is wider than this many heights of a line."""
MOST_PIECES = 10
SHARED = 0.6
"""Share of a digit's ink that its neighbours may have, too."""


@dataclass(frozen=True)
class Segment:
    """The ink between seams number ``first`` and ``last``.

    Attributes:
        first, last: the seams.
        image: uint8 (28, 28), as the recogniser sees it.
        left, top, right, bottom: bounding box in pixels of the line's ink; right and bottom are exclusive.
        mass: pixels of ink.
        gap: pixels of the widest white between its parts, from side to side.
    """

    first: int
    last: int
    image: NDArray[np.uint8]
    left: int
    top: int
    right: int
    bottom: int
    mass: float
    gap: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no ink at all."""
        return self.mass == 0


def find_segments(ink: Ink, seams: Seams) -> list[Segment]:
    """Everything between two seams of a line (h, w) that is no wider than a digit may be."""
    found: list[Segment] = []
    shared = _in_walls(ink, seams)
    for first in range(len(seams) - 1):
        for last in range(first + 1, min(first + 1 + MOST_PIECES, len(seams))):
            begin, end = seams.columns[first] - seams.wall[first], seams.columns[last] + seams.wall[last]
            segment = _between(ink, begin, end, first, last)
            if segment.mass * SHARED < shared[first] + shared[last]:
                continue  # hardly more than a stroke that its neighbours have, too
            if segment.right - segment.left > WIDEST * HEIGHT and last > first + 1:
                break
            found.append(segment)
    return found


def _in_walls(ink: Ink, seams: Seams) -> NDArray[np.float64]:
    """(len(seams),) ink of the stroke that a seam runs down; 0 for the others."""
    found = np.zeros(len(seams))
    x = np.arange(ink.shape[1])
    for k in np.flatnonzero(seams.wall.any(axis=1)):
        near = np.abs(x + 0.5 - seams.columns[k][:, None]) < seams.wall[k][:, None]
        found[k] = ink[near].sum()
    return found


def masses(values: Ink, seams: Seams) -> NDArray[np.float64]:
    """(len(seams) - 1,) the sum of (h, w) between each two neighbouring seams."""
    x = np.arange(values.shape[1])
    piece = (seams.columns[1:-1, :, None] <= x).sum(axis=0)
    return np.bincount(piece.ravel(), values.ravel(), minlength=len(seams) - 1).astype(np.float64)


def _between(ink: Ink, start: NDArray[np.int64], end: NDArray[np.int64], first: int, last: int) -> Segment:
    left, right = max(0, int(start.min())), min(ink.shape[1], int(end.max()))
    x = left + np.arange(right - left)
    part = np.where((x >= start[:, None]) & (x < end[:, None]), ink[:, left:right], 0).astype(np.float32)
    rows, columns = np.flatnonzero((part > FAINT).any(axis=1)), np.flatnonzero((part > FAINT).any(axis=0))
    if not len(rows):
        return Segment(first, last, np.zeros((28, 28), np.uint8), left, 0, left, 0, 0.0)
    box = (left + int(columns[0]), int(rows[0]), left + int(columns[-1]) + 1, int(rows[-1]) + 1)
    gap = int(np.diff(columns).max(initial=1)) - 1
    return Segment(first, last, frame(part), *box, float(part.sum()), gap)
