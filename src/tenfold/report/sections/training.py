"""How training went: curves, the best epoch, and the members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.report.figures.curves import Curves, Grid, curves, mean_of_members
from tenfold.report.formats import SPACE, decimal, percent

FIGURES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Epoch:
    """Means over the members at one epoch; NaN where unknown."""

    epoch: int
    train_loss: float
    validation_loss: float
    train_accuracy: float
    validation_accuracy: float


@dataclass(frozen=True)
class Training:
    """Curves and figures of a training.

    Attributes:
        charts: those that have data; none for a single epoch.
        best: the epoch with the highest mean validation accuracy, the earliest among equals; None without validation.
        epochs: all of them, in order.
        members: how many have a history.
    """

    charts: list[Curves]
    best: Epoch | None
    epochs: list[Epoch]
    members: int

    @property
    def last(self) -> Epoch:
        """The last epoch that any member reached."""
        return self.epochs[-1]


def training(histories: Sequence[History]) -> Training | None:
    """The section for one history per member; None if no member recorded an epoch."""
    histories = [history for history in histories if history]
    numbers = sorted({int(row["epoch"]) for history in histories for row in history})
    if not numbers:
        return None
    grids = {figure: _grid(histories, numbers, figure) for figure in FIGURES}
    means = {figure: mean_of_members(grid) for figure, grid in grids.items()}
    epochs = [Epoch(number, **{f: float(means[f][i]) for f in FIGURES}) for i, number in enumerate(numbers)]
    measured = [epoch for epoch in epochs if np.isfinite(epoch.validation_accuracy)]
    best = max(measured, key=lambda epoch: epoch.validation_accuracy, default=None)
    axis = np.array(numbers, dtype=np.int64)
    best_epoch = best.epoch if best else None
    charts = [
        curves(
            "Loss",
            axis,
            {"train": grids["train_loss"], "validation": grids["validation_loss"]},
            decimal,
            lambda loss: f"{loss:.4g}",
            best_epoch=best_epoch,
            may_be_log=True,
        ),
        curves(
            "Accuracy",
            axis,
            {"train": grids["train_accuracy"], "validation": grids["validation_accuracy"]},
            percent,
            lambda share: f"{100 * share:.4g}{SPACE}%",
            best_epoch=best_epoch,
        ),
    ]
    drawn = [chart for chart in charts if chart is not None] if len(epochs) > 1 else []
    return Training(drawn, best, epochs, len(histories))


def _grid(histories: Sequence[History], numbers: list[int], figure: str) -> Grid:
    """(M, E) the values of one figure; None, NaN and infinity all mean "no value"."""
    grid = np.full((len(histories), len(numbers)), np.nan)
    column = {number: index for index, number in enumerate(numbers)}
    for member, history in enumerate(histories):
        for row in history:
            value = row.get(figure)
            if value is not None and np.isfinite(value):
                grid[member, column[int(row["epoch"])]] = value
    return grid
