"""Where a line of digits may be cut: paths from its top to its bottom that cross as little ink as possible.

Such seams (Avidan & Shamir 2007) run around overlapping digits and through the thinnest place of touching ones.
There are too many of them on purpose: the recogniser decides which ones part digits (over-segmentation,
Casey & Lecolinet 1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.ink import Ink

SIDEWAYS = 0.15
"""What a step to the side costs, in pixels of ink."""
DEAREST = 16.0
"""The most ink that a seam may cross, in pixels of lines 48 pixels tall."""
APART = 4
"""Pixels between two seams."""


@dataclass(frozen=True)
class Seams:
    """S seams of a line (h, w), from left to right, none crossing another.

    Attributes:
        columns: (S, h) int64: in row y the seam lies before column ``columns[s, y]``.
        cost: (S,) pixels of ink that it cuts through.
    """

    columns: NDArray[np.int64]
    cost: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.cost)


def find_seams(ink: Ink) -> Seams:
    """All useful seams of a line (h, w); the first and the last are its borders."""
    height, width = ink.shape
    cost = np.pad(ink.astype(np.float64), ((0, 0), (1, 1)))
    down, from_above = _accumulated(cost)
    up, from_below = (each[::-1] for each in _accumulated(cost[::-1]))
    middle = height // 2
    through = down[middle] + up[middle] - cost[middle]
    chosen = _minima(through)
    columns = np.empty((len(chosen), height), np.int64)
    columns[:, middle] = chosen
    for y in range(middle, 0, -1):
        columns[:, y - 1] = columns[:, y] + from_above[y, columns[:, y]]
    for y in range(middle, height - 1):
        columns[:, y + 1] = columns[:, y] + from_below[y, columns[:, y]]
    columns = np.maximum.accumulate(columns, axis=0)
    border = np.stack([np.zeros(height, np.int64), np.full(height, width)])
    crossed = cost[np.arange(height), columns].sum(axis=1)
    inside = np.minimum(np.maximum(columns - 1, 0), width)
    return Seams(np.concatenate([border[:1], inside, border[1:]]), np.concatenate([[0.0], crossed, [0.0]]))


def _accumulated(cost: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(h, w) the cost of the cheapest path from the top to each pixel, and (h, w) -1, 0 or 1: where it came from."""
    total, origin = np.empty_like(cost), np.zeros(cost.shape, np.int64)
    total[0] = cost[0]
    for y in range(1, len(cost)):
        before = np.pad(total[y - 1], 1, constant_values=np.inf)
        ways = np.stack([before[:-2] + SIDEWAYS, before[1:-1], before[2:] + SIDEWAYS])
        best = ways.argmin(axis=0)
        # straight on where it is no dearer
        best = np.where(ways[1] <= np.take_along_axis(ways, best[None], 0)[0], 1, best)
        total[y] = np.take_along_axis(ways, best[None], 0)[0] + cost[y]
        origin[y] = best - 1
    return total, origin


def _minima(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of the local minima of (w,), the middle of each plateau, cheap ones first where they are crowded."""
    flat = np.flatnonzero(np.diff(values, prepend=np.inf, append=np.inf) != 0)
    starts, ends = flat[:-1], flat[1:]
    level = values[starts]
    lower_left = np.concatenate([[True], level[1:] < level[:-1]])
    lower_right = np.concatenate([level[:-1] < level[1:], [True]])
    candidates = ((starts + ends - 1) // 2)[lower_left & lower_right & (level <= DEAREST)]
    kept: list[int] = []
    for place in candidates[np.argsort(values[candidates], kind="stable")].tolist():
        if all(abs(place - other) >= APART for other in kept):
            kept.append(place)
    return np.array(sorted(kept), np.int64)
