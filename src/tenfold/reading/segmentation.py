"""The most plausible way to cut a line, given what the recogniser thinks of every segment (Viterbi 1967)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.ink import Ink
from tenfold.reading.lines import HEIGHT
from tenfold.reading.normalise import FAINT, fitted

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
        _traced(from_above, from_below, middle, np.array([place]))
        for place in _minima(down[middle] + up[middle] - cost[middle])
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
    """The upright stroke between two seams (h,), if both cross ink: its first row, in each row its middle and half its
    width.
    """
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
    left, right = np.full(cost.shape[1], np.inf), np.full(cost.shape[1], np.inf)
    for y in range(1, len(cost)):
        before = total[y - 1]
        left[1:], right[:-1] = before[:-1] + SIDEWAYS, before[1:] + SIDEWAYS
        aside = np.minimum(left, right)
        straight = before <= aside
        total[y] = np.where(straight, before, aside) + cost[y]
        origin[y] = np.where(straight, 0, np.where(left <= right, -1, 1))
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


def _between(ink: Ink, start: NDArray[np.int64], end: NDArray[np.int64], first: int, last: int) -> Segment:
    left, right = max(0, int(start.min())), min(ink.shape[1], int(end.max()))
    x = left + np.arange(right - left)
    part = np.where((x >= start[:, None]) & (x < end[:, None]), ink[:, left:right], 0).astype(np.float32)
    dark = part > FAINT
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    if not len(rows):
        return Segment(first, last, np.zeros((28, 28), np.uint8), left, 0, left, 0, 0.0)
    box = (left + int(columns[0]), int(rows[0]), left + int(columns[-1]) + 1, int(rows[-1]) + 1)
    gap = int((columns[1:] - columns[:-1]).max(initial=1)) - 1
    image = fitted(part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return Segment(first, last, image, *box, float(part.sum()), gap)


@dataclass(frozen=True)
class Costs:
    """What makes a cut of a line implausible, as lab/benchmarks/reading_costs.py fitted it to lines of MNIST's training
    digits.

    Attributes:
        each: for every digit, so that a one is not two bars.
        width: how much a segment's doubt counts per height of width, beside 1 for itself.
        cut: for each pixel of ink that a seam crosses.
        gap: for the widest white inside a segment, per height of width.
        size: for a segment's height, squared logarithm of its ratio to the line's.
        mark: for leaving out ink as a mark that is no digit.
        mass: for leaving out each pixel of it, if it is as tall as the line; the lower, the less.
        tallest: of what may be left out as a mark, as a share of the line's height.
    """

    each: float = 0.05
    width: float = 0.5
    cut: float = 0.042
    gap: float = 2.0
    size: float = 1.5
    mark: float = 0.8
    mass: float = 0.024
    tallest: float = 0.868


DEFAULT_COSTS = Costs()


def best_path(
    seams: Seams, segments: Sequence[Segment], probabilities: NDArray[np.float32], costs: Costs = DEFAULT_COSTS
) -> list[int]:
    """The segments, by their places in ``segments``, that are the line's digits, from left to right.

    Args:
        seams: of the line.
        segments: all candidates.
        probabilities: (len(segments), K) what the recogniser says of each.
        costs: what else counts.
    """
    prices = prices_of(segments, probabilities, costs)
    as_digit = prices.as_class.min(axis=1, initial=np.inf)
    price, is_digit = np.minimum(as_digit, prices.left_out), as_digit <= prices.left_out
    total = np.full(len(seams), np.inf)
    total[0] = 0
    chosen = [-1] * len(seams)
    for i, segment in enumerate(segments):  # sorted by their first seam
        cost = price[i] + total[segment.first] + costs.cut * seams.cost[segment.last]
        if cost < total[segment.last]:
            total[segment.last], chosen[segment.last] = cost, i
    path: list[int] = []
    seam = len(seams) - 1
    while seam > 0:
        i = chosen[seam]
        if is_digit[i]:
            path.append(i)
        seam = segments[i].first
    return path[::-1]


@dataclass(frozen=True)
class Prices:
    """What segments cost: (S, K) as each class, infinite without ink; and (S,) to leave out."""

    as_class: NDArray[np.float64]
    left_out: NDArray[np.float64]


def prices_of(segments: Sequence[Segment], probabilities: NDArray[np.float32], costs: Costs) -> Prices:
    """Of ``segments``, given (S, K) what the recogniser says of them."""
    # lengths are shares of the line's height
    height = np.array([s.bottom - s.top for s in segments], np.float64) / HEIGHT
    width = np.array([s.right - s.left for s in segments], np.float64) / HEIGHT
    mass = np.array([s.mass for s in segments], np.float64)
    gap = np.array([s.gap for s in segments], np.float64) / HEIGHT
    empty, least = mass == 0, 1 / probabilities.shape[1]
    doubt = -np.log(((probabilities - least) / (1 - least)).clip(1e-3, 1))
    shape = costs.each + costs.gap * gap + costs.size * np.log(np.where(empty, 1, height)) ** 2
    as_class = shape[:, None] + doubt * (1 + costs.width * width)[:, None]
    as_mark = np.where(height < costs.tallest, costs.mark + costs.mass * mass * height, np.inf)
    return Prices(np.where(empty[:, None], np.inf, as_class), np.where(empty, 0, as_mark))
