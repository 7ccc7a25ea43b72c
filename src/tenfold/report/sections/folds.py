"""A cross-validation: how the folds scatter, and what was learnt beside what was merely remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.fold_mean import fold_mean_interval
from tenfold.evaluation.metrics import class_scores, confusion_matrix
from tenfold.report.figures.intervals import Intervals, intervals
from tenfold.report.sections.classes import ClassRow, class_table
from tenfold.report.sections.confusion import Confusion, confusion
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Average:
    """Means over the classes, plain ("macro") or weighted by their images; undefined figures count as 0, as in scikit-learn."""

    name: str
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Report:
    """Scores by class of one set of predictions, as scikit-learn's ``classification_report`` has them, and its confusions."""

    title: str
    classes: list[ClassRow]
    averages: list[Average]
    accuracy: float
    images: int
    confusion: Confusion


@dataclass(frozen=True)
class Folds:
    """``rows`` as ``summary.json`` has them, their mean, its interval, their deviation, the two reports side by side."""

    rows: list[Mapping[str, Any]]
    mean: float
    mean_interval: tuple[float, float]
    deviation: float
    figure: Intervals
    reports: list[Report]


def folds(summary: Mapping[str, Any], predictions: Mapping[str, Predictions], names: tuple[str, ...]) -> Folds:
    """The section for the summary and the predictions ("train", "out-of-fold") of a cross-validation."""
    rows: Sequence[Mapping[str, Any]] = summary["folds"]
    bars = [(f"fold {number}", row["low"], row["accuracy"], row["high"]) for number, row in enumerate(rows, 1)]
    titles = {"train": "Rows that were learnt from", "out-of-fold": "Rows that were not"}
    return Folds(
        rows=list(rows),
        mean=summary["mean"],
        mean_interval=fold_mean_interval([row["accuracy"] for row in rows]),
        deviation=summary["deviation"],
        figure=intervals(bars),
        reports=[report(title, predictions[name], names) for name, title in titles.items() if len(predictions.get(name, ()))],
    )


def report(title: str, made: Predictions, names: tuple[str, ...]) -> Report:
    """The report of labelled predictions with at least one row."""
    assert made.labels is not None
    matrix = confusion_matrix(made.labels, made.predicted, len(names))
    return Report(title, class_table(matrix, names), averages(matrix), made.accuracy, len(made), confusion(matrix))


def averages(matrix: NDArray[np.int64]) -> list[Average]:
    """Macro and weighted means over the classes that occur or were predicted, from a (K, K) confusion matrix."""
    scores = class_scores(matrix)
    known = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    figures = [np.nan_to_num(figure[known]) for figure in (scores.precision, scores.recall, scores.f1)]
    support = scores.support[known]
    weights = {"macro average": np.full(len(support), 1 / max(len(support), 1)), "weighted average": support / support.sum()}
    return [Average(name, *(float(figure @ weight) for figure in figures)) for name, weight in weights.items()]
