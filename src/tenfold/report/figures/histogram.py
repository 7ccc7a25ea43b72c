"""How one measure is distributed in one or two sets: outlines on a common axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.report.figures.axis import Axis, Tick, fitted, ticks

BINS = 48


@dataclass(frozen=True)
class Outline:
    """A distribution as SVG points in percent of the plot area from its upper left; ``name`` is that of the set."""

    name: str
    points: str


@dataclass(frozen=True)
class Histogram:
    """What the template needs to draw one.

    Attributes:
        title: what is measured.
        outlines: of each set, to the same area.
        ticks: of the measure.
        marks: (place in percent, label) of values to compare with.
    """

    title: str
    outlines: list[Outline]
    ticks: list[Tick]
    marks: list[Tick]


def histogram(title: str, sets: Mapping[str, NDArray[Any]], marks: Mapping[str, float]) -> Histogram:
    """Distributions of (N,) finite values, N >= 1 in each set; the outermost thousandths are left out of the range."""
    every = np.concatenate(list(sets.values()))
    low, high = (float(value) for value in np.quantile(every, [0.001, 0.999]))
    low, high = min([low, *marks.values()]), max([high, *marks.values()])
    axis = fitted(low, high)
    edges = np.linspace(axis.low, axis.high, BINS + 1)
    heights = {name: np.histogram(values, edges)[0] / len(values) for name, values in sets.items()}
    top = max(float(height.max()) for height in heights.values()) or 1.0
    return Histogram(
        title=title,
        outlines=[Outline(name, _outline(axis, edges, height / top)) for name, height in heights.items()],
        ticks=[Tick(axis.place(value), f"{value:.6g}") for value in ticks(axis, about=4)],
        marks=[Tick(axis.place(value), name) for name, value in marks.items()],
    )


def _outline(axis: Axis, edges: NDArray[np.float64], heights: NDArray[np.float64]) -> str:
    """Steps from the lower left to the lower right; heights are 0..1."""
    places = [axis.place(float(edge)) for edge in edges]
    steps = [
        f"{place:g},{100 - 96 * height:.2f}"
        for left, right, height in zip(places, places[1:], heights, strict=False)
        for place in (left, right)
    ]
    return " ".join(["0,100", *steps, "100,100"])
