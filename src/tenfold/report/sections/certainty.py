"""How far confidences can be believed, and what corruptions cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import Confidence, Selection, coverage_curve, reliability, select, with_temperature
from tenfold.evaluation.corruptions import CORRUPTIONS, corrupt
from tenfold.evaluation.metrics import Score, score
from tenfold.evaluation.robustness import Robustness, Row
from tenfold.report.figures import Axis, Dot, RejectionFigure, Tick, rejection_figure, reliability_dots, ticks
from tenfold.report.sections import Material, section
from tenfold.report.sprites import Sheet, sheet
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class ConfidenceSection:
    """``learnt`` is None where no rows were held out: then there is only what the model says.

    ``honesty`` are the scores "before" and "after" the temperature, ``answered`` what the threshold does to each set.
    """

    learnt: Confidence | None
    honesty: list[Score]
    dots: list[Dot]
    rejection: RejectionFigure
    answered: dict[str, Selection]


def confidence_section(
    split: str, made: Predictions, learnt: Confidence | None, validation: Predictions | None
) -> ConfidenceSection:
    """The section about labelled predictions of ``split``.

    Args:
        split: what the page calls the set.
        made: its predictions.
        learnt: from the rows held out, if there were any.
        validation: predictions of these rows, where they are at hand and another set.
    """
    series = {"before": made.probabilities}
    if learnt is not None:
        series["after"] = with_temperature(made.probabilities, learnt.temperature)
    threshold = learnt.reject_threshold if learnt else None
    sets = {split: made} if validation is None else {split: made, "validation": validation}
    return ConfidenceSection(
        learnt=learnt,
        honesty=[score(kind, Predictions(made.ids, some, made.truth)) for kind, some in series.items()],
        dots=reliability_dots({kind: reliability(made.truth, probabilities) for kind, probabilities in series.items()}),
        rejection=rejection_figure(coverage_curve(made.confidence, made.correct), threshold),
        answered={}
        if threshold is None
        else {name: select(some.confidence, some.correct, threshold) for name, some in sets.items()},
    )


@section("confidence", "Confidence", 60, needs=("made",))
def _confidence(of: Material) -> ConfidenceSection:
    assert of.made is not None
    beside = None if of.split == "validation" else of.validation
    return confidence_section(of.split, of.made, of.learnt, beside)


@dataclass(frozen=True)
class Cell:
    """One severity: accuracy with its interval, how strongly to colour it, 0..1, and its place on the sheet and the
    axis.

    ``is_worse`` says that the loss is significant, ``is_released`` that MNIST-C has the corruption in this severity.
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
    """One corruption; ``worse_from`` is the mildest severity whose loss is significant."""

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


@section("robustness", "Robustness", 85, needs=("robustness",), sprites=lambda found: {"worn-px": found.sheet})
def _robustness(of: Material) -> RobustnessSection:
    assert of.robustness is not None
    return robustness_section(of.robustness, of.images)


def _row(row: Row, number: int, found: Robustness, pictures: Sheet | None, axis: Axis) -> CorruptionRow:
    cells = [
        Cell(
            severity=level.severity,
            accuracy=level.accuracy,
            low=level.low,
            high=level.high,
            heat=float(np.sqrt(max(0.0, found.clean - level.accuracy) / found.clean)) if found.clean else 0.0,
            is_worse=level.is_worse_than(found.clean),
            is_released=CORRUPTIONS[row.name].released == level.severity,
            picture=pictures.cell(number * len(row.levels) + place) if pictures else "",
            place=axis.place(level.accuracy),
        )
        for place, level in enumerate(row.levels)
    ]
    what = CORRUPTIONS[row.name].description
    return CorruptionRow(row.name, what, cells, row.mean, row.worse_from(found.clean))
