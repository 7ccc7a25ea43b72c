"""Confidence beside accuracy: a dot for each step of confidence, the larger the more images it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import CoverageCurve, Reliability

LOG_FROM = 20.0
"""Positive values that span more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Tick:
    """``label`` at ``place`` percent of the axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Axis:
    """The values ``low``..``high`` (low < high) on 0..100 percent, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where ``value`` stands, in percent from the low end."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(100 * (value - low) / (high - low), 2)


def fitted(low: float, high: float, *, may_be_log: bool = False) -> Axis:
    """An axis over all of ``low``..``high``, logarithmic if allowed and the values span orders of magnitude."""
    if may_be_log and low > 0 and high / low > LOG_FROM:
        return Axis(low, high, is_log=True)
    if low == high:
        margin = abs(low) / 10 or 0.5
        return Axis(low - margin, high + margin)
    return Axis(low, high)


def ticks(axis: Axis, about: int = 5) -> list[float]:
    """Round values inside the range of ``axis``: multiples of 1, 2 or 5 times a power of ten."""
    if axis.is_log:
        decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [factor * 10.0**decade for decade in decades for factor in factors]
            inside = [value for value in values if axis.low <= value <= axis.high]
            if len(inside) <= about + 2:
                break
        return inside
    step = _round_step((axis.high - axis.low) / about)
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def whole_ticks(axis: Axis, about: int = 12) -> list[int]:
    """Round whole numbers inside the range of ``axis``."""
    step = max(1, round(_round_step((axis.high - axis.low) / about)))
    return list(range(step * math.ceil(axis.low / step), math.floor(axis.high) + 1, step))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((f * power for f in (1, 2, 5) if rough <= f * power * (1 + 1e-9)), 10 * power)


Grid = NDArray[np.float64]
"""(M, E): a figure of M members after E epochs; NaN where a member has none."""


@dataclass(frozen=True)
class Line:
    """Points as SVG has them, in percent of the plot area from its upper left; ``kind`` is a CSS class."""

    points: str
    kind: str


@dataclass(frozen=True)
class Curves:
    """What the template needs to draw one chart.

    Attributes:
        title: what the y axis shows.
        names: the series there are, in order ("train", "validation").
        lines: thin ones first, so that the means lie on top.
        best: place of the best epoch in percent, or None.
        readout: for each epoch its place and the mean of each series, as text.
    """

    title: str
    names: list[str]
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    is_log: bool
    best: float | None
    readout: list[dict[str, object]]


def mean_of_members(grid: Grid) -> NDArray[np.float64]:
    """(E,) the mean over the members that reached the epoch; NaN where none did."""
    known = np.isfinite(grid)
    total = np.where(known, grid, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(grid.shape[1], np.nan), where=known.any(axis=0))


def curves(
    title: str,
    epochs: NDArray[np.int64],
    series: Mapping[str, Grid],
    label: Callable[[float], str],
    tick_label: Callable[[float], str],
    *,
    best_epoch: int | None = None,
    may_be_log: bool = False,
) -> Curves | None:
    """A chart of ``series``, each a (M, E) grid over ``epochs`` (E,); None if no value is finite.

    A value is written with ``label`` in the readout and with ``tick_label`` on the axis, which becomes
    logarithmic where it ``may_be_log`` and the values span orders of magnitude. A dashed line marks ``best_epoch``.
    """
    present = {name: grid for name, grid in series.items() if np.isfinite(grid).any()}
    if not present:
        return None
    finite = np.concatenate([grid[np.isfinite(grid)] for grid in present.values()])
    y = fitted(float(finite.min()), float(finite.max()), may_be_log=may_be_log)
    x = fitted(float(epochs[0]), float(epochs[-1]))
    means = {name: mean_of_members(grid) for name, grid in present.items()}
    thin = [
        Line(_points(x, y, epochs, row), f"{name} thin")
        for name, grid in present.items()
        if len(grid) > 1
        for row in grid
        if np.isfinite(row).any()
    ]
    thick = [Line(_points(x, y, epochs, mean), f"{name} mean") for name, mean in means.items()]
    return Curves(
        title=title,
        names=list(present),
        lines=thin + thick,
        x_ticks=[Tick(x.place(value), str(value)) for value in whole_ticks(x)],
        y_ticks=[Tick(y.place(value), tick_label(value)) for value in ticks(y)],
        is_log=y.is_log,
        best=None if best_epoch is None else x.place(best_epoch),
        readout=[
            {"epoch": int(epoch), "x": x.place(epoch)} | {name: label(float(mean[i])) for name, mean in means.items()}
            for i, epoch in enumerate(epochs)
        ],
    )


def _points(x: Axis, y: Axis, epochs: NDArray[np.int64], values: NDArray[np.float64]) -> str:
    places = [(x.place(e), 100 - y.place(v)) for e, v in zip(epochs, values, strict=True) if np.isfinite(v)]
    if len(places) == 1:
        places *= 2  # a line of no length: its round ends make it a dot
    return " ".join(f"{a:g},{b:.2f}" for a, b in places)


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
        title: the measure.
        outlines: of each set, to the same area.
        ticks: of the measure.
        marks: (place in percent, label) of values to compare with.
        only: the value as text where there is a single one, and nothing to draw; empty otherwise.
    """

    title: str
    outlines: list[Outline]
    ticks: list[Tick]
    marks: list[Tick]
    only: str = ""


def histogram(title: str, sets: Mapping[str, NDArray[Any]], marks: Mapping[str, float]) -> Histogram:
    """Distributions of (N,) finite values, N >= 1 in each set; the outermost thousandths are left out of the range."""
    every = np.concatenate(list(sets.values()))
    low, high = (float(value) for value in np.quantile(every, [0.001, 0.999]))
    if np.ptp(every) <= 1e-9:
        return Histogram(title, [], [], [], f"{every[0]:.3g}")
    low, high = min([low, *marks.values()]), max([high, *marks.values()])
    axis = fitted(low, high)
    places = ticks(axis, about=5)
    step = places[1] - places[0] if len(places) > 1 else 1.0
    edges = np.linspace(axis.low, axis.high, BINS + 1)
    heights = {name: np.histogram(values, edges)[0] / len(values) for name, values in sets.items()}
    top = max(float(height.max()) for height in heights.values()) or 1.0
    return Histogram(
        title=title,
        outlines=[Outline(name, _outline(axis, edges, height / top)) for name, height in heights.items()],
        ticks=[Tick(axis.place(value), _rounded(value, step)) for value in places],
        marks=[Tick(axis.place(value), name) for name, value in marks.items()],
    )


def _rounded(value: float, step: float) -> str:
    """``value`` with as many decimals as tell it from its neighbour a ``step`` away."""
    return f"{value:,.{max(0, -math.floor(math.log10(step)))}f}"


def _outline(axis: Axis, edges: NDArray[np.float64], heights: NDArray[np.float64]) -> str:
    """Steps from the lower left to the lower right; heights are 0..1."""
    places = [axis.place(float(edge)) for edge in edges]
    steps = [
        f"{place:g},{100 - 96 * height:.2f}"
        for left, right, height in zip(places, places[1:], heights, strict=False)
        for place in (left, right)
    ]
    return " ".join(["0,100", *steps, "100,100"])


@dataclass(frozen=True)
class Interval:
    """A share and its interval: places in percent of the axis."""

    label: str
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Rows over a common axis."""

    rows: list[Interval]
    ticks: list[Tick]


def intervals(shares: Sequence[tuple[str, float, float, float]]) -> Intervals:
    """The figure of (label, low, share, high), each in 0..1, with room on both sides but none beyond 0 and 1."""
    low, high = min(row[1] for row in shares), max(row[3] for row in shares)
    margin = 0.6 * (high - low)
    axis = Axis(max(0.0, low - margin), min(1.0, high + margin))
    values = ticks(axis, about=6)
    digits = max(len(f"{100 * value:.6g}".partition(".")[2]) for value in values)
    return Intervals(
        rows=[Interval(label, *(axis.place(value) for value in places)) for label, *places in shares],
        ticks=[Tick(axis.place(value), f"{100 * value:.{digits}f}") for value in values],
    )


POINTS = 250
ROOM = 1.25
"""The axis goes on to so many times what has to be left out to be free of errors."""
WIDEST = 0.5
_SMALL_SET = 20
"""Below so many answers an error rate says little."""


@dataclass(frozen=True)
class RejectionFigure:
    """Left out (x) against errors among the answers (y): SVG points from the upper left, ticks, the place of the
    threshold.
    """

    points: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    threshold: float | None


def rejection_figure(curve: CoverageCurve, threshold: float | None) -> RejectionFigure:
    """The figure of a curve, with a mark where answers below ``threshold`` are left out."""
    left_out, risk = 1 - curve.coverage, curve.errors / curve.answered
    free = left_out[curve.errors == 0].min(initial=1.0)
    shown = min(WIDEST, max(ROOM * float(free), 0.01))
    keep = np.flatnonzero((left_out <= shown) & (curve.answered >= _SMALL_SET))
    keep = keep if len(keep) else np.array([len(risk) - 1])
    keep = keep[np.unique(np.linspace(0, len(keep) - 1, POINTS).round().astype(int))][::-1]
    x, y = Axis(0.0, shown), Axis(0.0, max(float(risk[keep].max()), 1e-6) * 1.05)
    points = " ".join(f"{x.place(float(left_out[i])):g},{100 - y.place(float(risk[i])):.2f}" for i in keep)
    below = (
        None
        if threshold is None
        else 1 - float(curve.answered[curve.thresholds >= threshold].max(initial=0)) / curve.total
    )
    return RejectionFigure(
        points=points,
        x_ticks=[Tick(x.place(value), f"{100 * value:.4g} %") for value in ticks(x)],
        y_ticks=[Tick(y.place(value), f"{100 * value:.3g} %") for value in ticks(y)],
        threshold=x.place(below) if below is not None and below <= shown else None,
    )


SMALLEST, LARGEST = 5.0, 18.0
"""Diameters in pixels."""


@dataclass(frozen=True)
class Dot:
    """Places in percent from the lower left, diameter in pixels, what it says, and which series it belongs to."""

    x: float
    y: float
    size: float
    label: str
    kind: str


def reliability_dots(series: Mapping[str, Reliability]) -> list[Dot]:
    """Dots of each series (a CSS class), empty steps left out; on the diagonal confidence is deserved."""
    most = max(int(bins.counts.max()) for bins in series.values())
    return [
        Dot(
            x=round(100 * float(bins.confidence[i]), 2),
            y=round(100 * float(bins.accuracy[i]), 2),
            size=round(SMALLEST + (LARGEST - SMALLEST) * float(np.sqrt(bins.counts[i] / most)), 1),
            label=f"{bins.counts[i]:,} images: confidence {bins.confidence[i]:.1%}, {bins.accuracy[i]:.1%} right",
            kind=kind,
        )
        for kind, bins in series.items()
        for i in np.flatnonzero(bins.counts)
    ]
