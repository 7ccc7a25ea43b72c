"""How training went, epoch by epoch, and what each member is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import disagreement, double_fault, growing_votes, log_loss, mean_of_pairs, q_statistic
from tenfold.evaluation.significance import mcnemar_mid_p, verdict
from tenfold.report.figures import Curves, Grid, Intervals, curves, intervals, mean_of_members
from tenfold.report.rendering import SPACE, decimal, percent
from tenfold.report.sections import Material, section
from tenfold.report.sections.performance import LARGEST
from tenfold.report.sprites import Sheet, sheet
from tenfold.values.accuracy import Accuracy
from tenfold.values.predictions import Predictions, vote

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
        others: how many learn without epochs, and are in none of these figures.
        is_harder: whether training images are augmented, or their labels smoothed.
    """

    charts: list[Curves]
    best: Epoch | None
    epochs: list[Epoch]
    members: int
    others: int = 0
    is_harder: bool = False

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


@section("training", "Training", 20, needs=("histories",))
def _training(of: Material) -> Training | None:
    found = training(of.histories)
    if found is None or of.run is None:
        return None
    recipe = of.run.recipe
    harder = bool(recipe.augment or recipe.train.label_smoothing)
    return replace(found, others=of.without_epochs, is_harder=harder)


@dataclass(frozen=True)
class Previews:
    """Augmented training images on one sheet."""

    sheet: Sheet
    count: int


@section("augmentation", "Augmentation", 90, needs=("previews",), sprites=lambda found: {"preview": found.sheet})
def _augmentation(of: Material) -> Previews | None:
    return Previews(sheet(of.previews), len(of.previews)) if of.previews is not None and len(of.previews) else None


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


FIGURE = "validation_mistakes"


@dataclass(frozen=True)
class Evolution:
    """``epochs`` in order; ``mistakes`` of each, as [true, predicted, images] per pair; ``most`` is the largest count
    of all.

    ``right`` has, for each epoch, how many images of each of the K classes were read right; it is empty where nobody
    knows how
    many there are.
    """

    epochs: list[int]
    mistakes: list[list[list[int]]]
    right: list[list[int]]
    totals: list[int]
    most: int
    members: int


def evolution(
    histories: Sequence[Sequence[Mapping[str, Any]]], classes: int, held: Predictions | None = None
) -> Evolution | None:
    """The section for one history per member; None if fewer than two epochs recorded their confusions, or too many
    classes.

    A member that stopped early counts on with its last epoch, so that the sums stay comparable.

    Args:
        histories: those of the members.
        classes: K.
        held: predictions of the rows held out, if these were the same for all members.
    """
    recorded = [
        {int(row["epoch"]): row[FIGURE] for row in history if row.get(FIGURE) is not None} for history in histories
    ]
    recorded = [member for member in recorded if member]
    epochs = sorted({epoch for member in recorded for epoch in member})
    if len(epochs) < 2 or classes > LARGEST:
        return None
    images = None if held is None or held.labels is None else np.bincount(held.labels, minlength=classes)
    sums: list[Counter[tuple[int, int]]] = []
    right: list[list[int]] = []
    for epoch in epochs:
        together: Counter[tuple[int, int]] = Counter()
        begun = [member[max(earlier)] for member in recorded if (earlier := [one for one in member if one <= epoch])]
        for mistakes in begun:
            together.update({(true, predicted): count for true, predicted, count in mistakes})
        sums.append(together)
        if images is not None:
            missed = [sum(count for (true, _), count in together.items() if true == k) for k in range(classes)]
            right.append([len(begun) * int(images[k]) - missed[k] for k in range(classes)])
    return Evolution(
        epochs=epochs,
        mistakes=[[[*pair, count] for pair, count in sorted(counts.items())] for counts in sums],
        right=right,
        totals=[counts.total() for counts in sums],
        members=len(recorded),
        most=max(max(counts.values(), default=0) for counts in sums),
    )


MOST = 32
"""Members up to which each has a row."""


@dataclass(frozen=True)
class Voter(Accuracy):
    """One member, or a vote of the first few.

    ``against`` says whether the difference to the other one is significant; empty where there is nothing.
    """

    name: str
    log_loss: float
    against: str


@dataclass(frozen=True)
class Ensemble:
    """Members beside the vote of all, votes that grow member by member, and their diversity (means over pairs).

    ``pairs`` is (M, M): for two members the images on which they differ; None for a single pair.
    """

    members: list[Voter]
    growth: list[Voter]
    figure: Intervals
    disagreement: float
    q: float
    double_fault: float
    pairs: list[list[int]] | None


def ensemble(whole: Predictions, members: Sequence[NDArray[np.float32]], how: str) -> Ensemble | None:
    """The section; None unless there are 2 to ``MOST`` members.

    Args:
        whole: the labelled predictions of all members together.
        members: probabilities (N, K) of each.
        how: they vote; see :func:`~tenfold.values.predictions.vote`.
    """
    if whole.labels is None or not 2 <= len(members) <= MOST:
        return None
    labels = whole.labels
    each = [Predictions(whole.ids, probabilities, labels) for probabilities in members]
    grown = [Predictions(whole.ids, votes, labels) for votes in growing_votes(members, partial(vote, how=how))]
    rows = [_voter(f"member {i}", made, whole, ("member", "all")) for i, made in enumerate(each, 1)]
    growth = [_voter("1 member", grown[0], None, ("", ""))]
    growth += [
        _voter(f"{count} members", now, before, ("more", "fewer"))
        for count, (before, now) in enumerate(pairwise(grown), 2)
    ]
    votes = np.stack([made.predicted for made in each])
    correct = votes == labels
    apart = disagreement(votes)
    return Ensemble(
        members=rows,
        growth=growth,
        figure=intervals([(row.name, row.low, row.accuracy, row.high) for row in growth]),
        disagreement=mean_of_pairs(apart),
        q=mean_of_pairs(q_statistic(correct)),
        double_fault=mean_of_pairs(double_fault(correct)),
        pairs=np.rint(apart * len(labels)).astype(int).tolist() if len(members) > 2 else None,
    )


@section("ensemble", "Members", 70, needs=("made", "members"))
def _ensemble(of: Material) -> Ensemble | None:
    assert of.made is not None
    return ensemble(of.made, of.members, of.vote)


def _voter(name: str, made: Predictions, other: Predictions | None, sides: tuple[str, str]) -> Voter:
    right = made.correct
    against = ""
    if other is not None:
        only, only_other = int((right & ~other.correct).sum()), int((other.correct & ~right).sum())
        against = verdict(mcnemar_mid_p(only, only_other), only - only_other, sides)
    loss = log_loss(made.truth, made.probabilities)
    return Voter(**asdict(made.score), name=name, log_loss=loss, against=against)
