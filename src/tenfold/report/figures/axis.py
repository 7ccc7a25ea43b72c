"""From values to places: an axis knows its range and where its ticks stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
