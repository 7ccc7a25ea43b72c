"""Learning curves: one figure over the epochs, every member as a thin line and their mean as a thick one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.report.figures.axis import Axis, Tick, fitted, ticks, whole_ticks

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
