"""Whether the model knows when it knows: calibration before and after, and what a reject threshold costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import reliability, with_temperature
from tenfold.evaluation.confidence import Confidence
from tenfold.evaluation.metrics import brier_score, expected_calibration_error, log_loss
from tenfold.evaluation.rejection import Selection, coverage_curve, select
from tenfold.report.figures.rejection import RejectionFigure, rejection_figure
from tenfold.report.figures.reliability import Dot, reliability_dots
from tenfold.values.interval import wilson_interval
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Honesty:
    """Figures of probabilities, as the model says them ("before") or at the temperature ("after")."""

    kind: str
    log_loss: float
    brier: float
    calibration_error: float


@dataclass(frozen=True)
class Answered:
    """What the threshold does to one set; ``low`` and ``high`` bound the 95 % Wilson interval of the answers' accuracy."""

    split: str
    selection: Selection
    low: float
    high: float


@dataclass(frozen=True)
class ConfidenceSection:
    """``learnt`` is None where no rows were held out: then there is only what the model says."""

    learnt: Confidence | None
    honesty: list[Honesty]
    dots: list[Dot]
    rejection: RejectionFigure
    answered: list[Answered]


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
    assert made.labels is not None
    series = {"before": made.probabilities}
    if learnt is not None:
        series["after"] = with_temperature(made.probabilities, learnt.temperature)
    threshold = learnt.reject_threshold if learnt else None
    sets = {split: made} if validation is None else {split: made, "validation": validation}
    return ConfidenceSection(
        learnt=learnt,
        honesty=[_honesty(kind, made.labels, probabilities) for kind, probabilities in series.items()],
        dots=reliability_dots({kind: reliability(made.labels, probabilities) for kind, probabilities in series.items()}),
        rejection=rejection_figure(coverage_curve(made.confidence, made.correct), threshold),
        answered=[] if threshold is None else [_answered(name, some, threshold) for name, some in sets.items()],
    )


def _honesty(kind: str, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Honesty:
    figures = (log_loss, brier_score, expected_calibration_error)
    return Honesty(kind, *(figure(labels, probabilities) for figure in figures))


def _answered(split: str, made: Predictions, threshold: float) -> Answered:
    found = select(made.confidence, made.correct, threshold)
    low, high = wilson_interval(found.answered - found.errors, found.answered) if found.answered else (0.0, 1.0)
    return Answered(split, found, low, high)
