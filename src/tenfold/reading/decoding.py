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
    """What makes a cut of a line implausible; plain guesses, not yet fitted to anything.

    Attributes:
        width: how much a segment's doubt counts per height of width, beside 1 for itself.
        cut: for each pixel of ink that a seam crosses.
        size: for a segment's height, squared logarithm of its ratio to the line's.
        mark: for leaving out ink as a mark that is no digit.
        mass: for leaving out each pixel of it.
        tallest: of what may be left out as a mark, as a share of the line's height.
    """

    width: float = 0.5
    cut: float = 0.06
    size: float = 1.5
    mark: float = 0.4
    mass: float = 0.012
    tallest: float = 0.62


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
    classes = probabilities.shape[1]
    confidence = (probabilities.max(axis=1) - 1 / classes) / (1 - 1 / classes) if len(segments) else np.zeros(0)
    doubt = -np.log(confidence.clip(1e-3, 1))
    total = np.full(len(seams), np.inf)
    total[0] = 0
    chosen: list[tuple[int, bool]] = [(-1, False)] * len(seams)
    for i, segment in enumerate(segments):  # sorted by their first seam
        cost, is_digit = _cost(segment, float(doubt[i]), costs)
        cost += total[segment.first] + costs.cut * seams.cost[segment.last]
        if cost < total[segment.last]:
            total[segment.last], chosen[segment.last] = cost, (i, is_digit)
    path: list[int] = []
    seam = len(seams) - 1
    while seam > 0:
        i, is_digit = chosen[seam]
        if is_digit:
            path.append(i)
        seam = segments[i].first
    return path[::-1]


def _cost(segment: Segment, doubt: float, costs: Costs) -> tuple[float, bool]:
    """What it costs to take ``segment`` for a digit, or for something to leave out; and whether it is a digit."""
    if segment.empty:
        return 0.0, False
    height, width = (segment.bottom - segment.top) / HEIGHT, (segment.right - segment.left) / HEIGHT
    as_digit = doubt * (1 + costs.width * width) + costs.size * np.log(height) ** 2
    as_mark = np.inf
    if height < costs.tallest:
        as_mark = costs.mark + costs.mass * segment.mass
    return (float(as_digit), True) if as_digit <= as_mark else (float(as_mark), False)
