"""Where a line of digits may be cut: paths from its top to its bottom that cross as little ink as possible.

Such seams (Avidan & Shamir 2007) run around overlapping digits and through the thinnest place of touching ones.
Noughts side by side often share a wall, along which no seam would run by itself: another seam runs down each upright
stroke between two that cross ink, and the stroke belongs to both sides. There are too many seams on purpose: the
recogniser decides which ones part digits (over-segmentation, Casey & Lecolinet 1996).
"""

from __future__ import annotations

import itertools
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
THICKEST = 16
"""Pixels of ink in a row of a stroke that two digits may share."""
SHORTEST = 8
"""Pixels of the shortest such stroke."""
ALONG = 0.3
"""What a pixel of a shared wall costs, as part of one that is cut across."""


@dataclass(frozen=True)
class Seams:
    """S seams of a line (h, w), from left to right, none crossing another.

    Attributes:
        columns: (S, h) int64: in row y the seam lies before column ``columns[s, y]``.
        cost: (S,) pixels of ink that it cuts through.
        wall: (S, h) int64: so many pixels to either side of it belong to both sides.
    """

    columns: NDArray[np.int64]
    cost: NDArray[np.float64]
    wall: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cost)


def find_seams(ink: Ink) -> Seams:
    """All useful seams of a line (h, w); the first and the last are its borders."""
    height, width = ink.shape
    cost = np.pad(ink.astype(np.float64), ((0, 0), (1, 1)))
    down, from_above = _accumulated(cost)
    up, from_below = _accumulated(cost[::-1])
    up, from_below = up[::-1], from_below[::-1]
    middle, none = height // 2, np.zeros(height, np.int64)
    across = [
        _traced(from_above, from_below, middle, np.array([place])) for place in _minima(down[middle] + up[middle] - cost[middle])
    ]
    seams = [(path, none) for path in across]
    for left, right in itertools.pairwise(across):
        stroke = _stroke_between(cost, left, right)
        if stroke is not None:
            begin, between, half = stroke
            shared = none.copy()
            shared[begin : begin + len(half)] = half
            seams.append((_traced(from_above, from_below, begin, between), shared))
    seams.sort(key=lambda seam: int(seam[0].sum()))
    columns = np.maximum.accumulate(np.array([path for path, _ in seams], np.int64).reshape(-1, height), axis=0)
    wall = np.array([half for _, half in seams], np.int64).reshape(-1, height)
    crossed = (np.where(wall > 0, ALONG, 1.0) * cost[np.arange(height), columns]).sum(axis=1)
    border = np.stack([none, np.full(height, width)])
    return Seams(
        np.concatenate([border[:1], (columns - 1).clip(0, width), border[1:]]),
        np.concatenate([[0.0], crossed, [0.0]]),
        np.concatenate([none[None], wall, none[None]]),
    )


def _stroke_between(
    cost: NDArray[np.float64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]] | None:
    """The upright stroke between two seams (h,), if both cross ink: its first row, in each row its middle and half its width."""
    y = np.arange(len(cost))
    if min(cost[y, left].sum(), cost[y, right].sum()) < 1:
        return None
    x = np.arange(cost.shape[1])
    dark = (cost > 0.5) & (x >= left[:, None]) & (x < right[:, None])
    if dark.sum() < SHORTEST:
        return None
    rows, columns = np.nonzero(dark)
    row = round(float(rows.mean()))
    place = _run(dark[row], round(float(columns.mean())))
    if place is None:
        return None
    found = {row: place}
    for step in (-1, 1):
        y_, last = row + step, place
        while 0 <= y_ < len(cost):
            here = _run(dark[y_], (last[0] + last[1]) // 2)
            if here is None:
                break
            found[y_] = last = here
            y_ += step
    if len(found) < SHORTEST:
        return None
    runs = np.array([found[each] for each in sorted(found)])
    between = (runs[:, 0] + runs[:, 1] + 1) // 2
    return min(found), between, np.maximum(runs[:, 1] - between, between - runs[:, 0])


def _run(dark: NDArray[np.bool_], near: int) -> tuple[int, int] | None:
    """Begin and end of the run of ink at column ``near``, or beside it; None if there is none, or if it is too wide."""
    for x in (near, near - 1, near + 1):
        if 0 <= x < len(dark) and dark[x]:
            gaps = np.flatnonzero(~dark)
            end = int(gaps[gaps > x].min(initial=len(dark)))
            begin = int(gaps[gaps < x].max(initial=-1)) + 1
            return (begin, end) if end - begin <= THICKEST else None
    return None


def _traced(
    from_above: NDArray[np.int64], from_below: NDArray[np.int64], begin: int, given: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(h,) the cheapest way from top to bottom that passes the columns ``given`` from row ``begin`` on."""
    height, end = len(from_above), begin + len(given)
    path = np.empty(height, np.int64)
    path[begin:end] = given
    for y in range(begin, 0, -1):
        path[y - 1] = path[y] + from_above[y, path[y]]
    for y in range(end - 1, height - 1):
        path[y + 1] = path[y] + from_below[y, path[y]]
    return path


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
