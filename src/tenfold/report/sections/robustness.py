"""What corruptions cost, worst first, each with one image that shows what it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions import CORRUPTIONS, RELEASED, corrupt
from tenfold.evaluation.robustness import Robustness, Row
from tenfold.report.figures.axis import Axis, Tick, ticks
from tenfold.report.sprites import Sheet, sheet


@dataclass(frozen=True)
class Cell:
    """One severity: accuracy with its interval, how strongly to colour it, 0..1, and its place on the sheet and the axis.

    ``is_worse`` says that it costs more than noise, ``is_released`` that MNIST-C has the corruption in this severity.
    """

    severity: int
    accuracy: float
    low: float
    high: float
    heat: float
    is_worse: bool
    is_released: bool
    picture: str
    place: float


@dataclass(frozen=True)
class CorruptionRow:
    """One corruption; ``worse_from`` is the mildest severity that costs more than noise."""

    name: str
    what: str
    cells: list[Cell]
    mean: float
    worse_from: int | None


@dataclass(frozen=True)
class RobustnessSection:
    """Rows with the most costly corruption first; ``clean`` is the place of the accuracy without any."""

    found: Robustness
    severities: list[int]
    rows: list[CorruptionRow]
    sheet: Sheet | None
    ticks: list[Tick]
    clean: float


def robustness_section(found: Robustness, images: NDArray[np.uint8] | None) -> RobustnessSection:
    """The section.

    Args:
        found: the figures.
        images: uint8 (N, C, H, W); the first shows the corruptions. None shows no pictures.
    """
    ordered = sorted(found.rows, key=lambda row: row.mean)
    severities = [level.severity for level in found.rows[0].levels]
    pictures = None
    if images is not None and len(images):
        shown = [corrupt(images[:1], row.name, severity, found.seed) for row in ordered for severity in severities]
        pictures = sheet(np.concatenate(shown))
    least = min(level.accuracy for row in ordered for level in row.levels)
    axis = Axis(min(0.99 * least, 0.9), 1.0)
    return RobustnessSection(
        found=found,
        severities=severities,
        rows=[_row(row, number, found, pictures, axis) for number, row in enumerate(ordered)],
        sheet=pictures,
        ticks=[Tick(axis.place(value), f"{100 * value:.4g}") for value in ticks(axis)],
        clean=axis.place(found.clean),
    )


def _row(row: Row, number: int, found: Robustness, pictures: Sheet | None, axis: Axis) -> CorruptionRow:
    cells = [
        Cell(
            severity=level.severity,
            accuracy=level.accuracy,
            low=level.low,
            high=level.high,
            heat=float(np.sqrt(max(0.0, found.clean - level.accuracy) / found.clean)) if found.clean else 0.0,
            is_worse=level.is_worse_than(found.clean),
            is_released=RELEASED.get(row.name) == level.severity,
            picture=pictures.cell(number * len(row.levels) + place) if pictures else "",
            place=axis.place(level.accuracy),
        )
        for place, level in enumerate(row.levels)
    ]
    what = (CORRUPTIONS[row.name].__doc__ or "").partition("\n")[0]
    return CorruptionRow(row.name, what, cells, row.mean, row.worse_from(found.clean))
