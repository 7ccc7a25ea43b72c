"""The most plausible way to cut a line, given what the recogniser thinks of every segment (Viterbi 1967)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.cuts import Seams
from tenfold.reading.lines import HEIGHT
from tenfold.reading.segments import Segment


@dataclass(frozen=True)
class Costs:
    """What makes a cut of a line implausible, as benchmarks/reading_costs.py fitted it to lines of MNIST's training digits.

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
    price, is_digit = _prices(segments, probabilities, costs)
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


def _prices(
    segments: Sequence[Segment], probabilities: NDArray[np.float32], costs: Costs
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What it costs to take each segment for a digit, or for something to leave out, whichever is less; and which it is."""
    classes = probabilities.shape[1]
    height = np.array([s.bottom - s.top for s in segments], np.float64) / HEIGHT
    width = np.array([s.right - s.left for s in segments], np.float64) / HEIGHT
    mass = np.array([s.mass for s in segments], np.float64)
    gap = np.array([s.gap for s in segments], np.float64) / HEIGHT
    empty = mass == 0
    confidence = (probabilities.max(axis=1, initial=0) - 1 / classes) / (1 - 1 / classes)
    doubt = -np.log(confidence.clip(1e-3, 1))
    as_digit = (
        costs.each + doubt * (1 + costs.width * width) + costs.gap * gap + costs.size * np.log(np.where(empty, 1, height)) ** 2
    )
    as_mark = np.where(height < costs.tallest, costs.mark + costs.mass * mass * height, np.inf)
    return np.where(empty, 0, np.minimum(as_digit, as_mark)), ~empty & (as_digit <= as_mark)
