"""Shares with their intervals on one axis, so that overlap can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenfold.report.figures.axis import Axis, Tick, ticks


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
