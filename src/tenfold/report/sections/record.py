"""What was recorded beside the predictions: data, checks, members, times, environment."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import class_scores, confusion_matrix
from tenfold.evaluation.significance import fold_mean_interval
from tenfold.report.figures import Intervals, intervals
from tenfold.report.rendering import size
from tenfold.report.sections import Material, section
from tenfold.report.sections.performance import ClassRow, Confusion, class_table, confusion
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

SEVERITIES = ("error", "leak", "warning", "note")
SHOWN_IDS = 12


@dataclass(frozen=True)
class Finding:
    """What a check of the data found. ``ids``: an id, or a group of equal images, as text each."""

    name: str
    severity: str
    count: int
    total: int | None
    message: str
    ids: list[str]
    hidden_ids: int


@dataclass(frozen=True)
class Source:
    """A set of images as it was read: where from, how many, of which shape (C, H, W), and what it hashes to."""

    role: str
    source: str
    images: int | None
    shape: str
    fingerprint: str
    notes: list[str]


@dataclass(frozen=True)
class Stage:
    """Time that one stage took, and its share, 0..1, of the longest."""

    name: str
    seconds: float
    share: float


def optional(run: Run, name: str) -> dict[str, Any]:
    """A JSON file that an earlier stage may not have written; a damaged one is still an error."""
    return run.read_json(name) if (run.path / name).exists() else {}


def portable(text: str) -> str:
    """``text`` with each absolute path of this machine cut down to its last part: a page is meant to be mailed."""
    return _ABSOLUTE.sub(lambda found: found[1] or found[2], text)


_NAME = r"[^/\\\s,;:'\"]+"
_ABSOLUTE = re.compile(rf"(?<![\w:/.\\])(?:(?:/{_NAME})+/({_NAME})|[A-Za-z]:\\(?:{_NAME}\\)*({_NAME}))")


@section("folds", "Folds", 10, needs=("run",))
def _folds(of: Material) -> Folds | None:
    run = of.run
    assert run is not None
    home = run if run.has_predictions("oof") else run.cross_validation()
    if home is None:
        return None
    both = {"train": home.predictions("train"), "out-of-fold": home.predictions("oof")}
    return folds(home.summary, both, of.names)


@section("data", "Data", 100, needs=("run",))
def _data(of: Material) -> dict[str, Any]:
    assert of.run is not None
    return {
        "sources": sources(optional(of.run, "data.json")),
        "findings": of.findings,
        "explored": (of.run.path / "explore.html").exists(),
    }


@section("run", "Run", 110, needs=("run",))
def _run(of: Material) -> dict[str, Any]:
    run = of.run
    assert run is not None
    seconds = optional(run, "summary.json").get("seconds") or {}
    return {
        "name": run.path.name,
        "recipe": run.recipe,
        "recipe_text": "\n".join(map(portable, run.recipe.to_toml().split("\n"))),
        "members": members(run),
        "layers": architectures(run.recipe),
        "inexact": (run.path / "resumed.json").exists(),
        "stages": stages(seconds),
        "total_seconds": total_seconds(seconds),
        "environment": flattened(optional(run, "environment.json"), without=("recipe",)),
    }


def sources(recorded: Mapping[str, Any]) -> list[Source]:
    """The sets described in ``data.json``."""
    return [
        Source(
            role=role,
            source=portable(str(item.get("source", ""))),
            images=item.get("images"),
            shape=" × ".join(map(str, item.get("image_shape") or ())),
            fingerprint=str(item.get("fingerprint", "")),
            notes=[portable(str(note)) for note in item.get("notes") or ()],
        )
        for role in ("train", "test")
        if (item := recorded.get(role))
    ]


def architectures(recipe: Recipe) -> list[str]:
    """The layer lines of the recipe's models, each once; models of other kinds have none."""
    return list(dict.fromkeys(str(model.settings["layers"]) for model in recipe.model if "layers" in model.settings))


def members(run: Run) -> list[dict[str, Any]]:
    """What each finished member recorded about itself, its times included; of a cross-validation, with its fold from
    1.
    """
    found = []
    numbers = {fold.path: number for number, fold in enumerate(run.folds(), 1)}
    for trained, member in run.trained():
        folder = f"members/{member:02d}"
        timing = f"{folder}/timing.json"
        times = trained.read_json(timing) if (trained.path / timing).exists() else {}
        recorded = {"member": member} | trained.read_json(f"{folder}/member.json") | times
        found.append(recorded | {"fold": numbers.get(trained.path)})
    return found


def findings(recorded: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """The findings, worst first, with at most ``SHOWN_IDS`` ids each."""
    found = [
        Finding(
            name=str(item.get("name", "")).replace("_", " ").replace("-", " "),
            severity=item["severity"] if item.get("severity") in SEVERITIES else "note",
            count=int(item.get("count") or 0),
            total=item.get("total"),
            message=portable(str(item.get("message", ""))),
            ids=[_group(ids) for ids in (item.get("ids") or ())[:SHOWN_IDS]],
            hidden_ids=max(0, len(item.get("ids") or ()) - SHOWN_IDS),
        )
        for item in recorded
    ]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _group(ids: Any) -> str:
    return " = ".join(map(str, ids)) if isinstance(ids, (list, tuple)) else str(ids)


def stages(seconds: Mapping[str, float]) -> list[Stage]:
    """The stages, longest first; a ``total`` among them is left to :func:`total_seconds`."""
    parts = {name: float(value) for name, value in seconds.items() if name != "total" and value is not None}
    longest = max(parts.values(), default=0.0) or 1.0
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return [Stage(name.replace("_", " "), value, value / longest) for name, value in ordered]


def total_seconds(seconds: Mapping[str, float]) -> float | None:
    """Time of the whole run: as recorded, else the sum of its stages; None if there are no times."""
    if "total" in seconds:
        return float(seconds["total"])
    parts = stages(seconds)
    return sum(stage.seconds for stage in parts) if parts else None


def flattened(table: Mapping[str, Any], prefix: str = "", *, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """Nested tables as (name, text) rows: ``{"torch": {"threads": 1}}`` is ``("torch threads", "1")``; some keys left
    out.
    """
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if key in without:
            continue
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += flattened(value, f"{name} ")
        elif key.endswith("_bytes") and isinstance(value, int):
            rows.append((name.removesuffix(" bytes"), size(value)))
        elif value not in (None, "", [], ()):
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((name, {"True": "yes", "False": "no"}.get(text, portable(text))))
    return rows


@dataclass(frozen=True)
class Average:
    """Means over the classes, plain ("macro") or weighted by their images; undefined figures count as 0, as in
    scikit-learn.
    """

    name: str
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Report:
    """Scores by class of one set of predictions, as scikit-learn's ``classification_report`` has them, and its
    confusions.
    """

    title: str
    classes: list[ClassRow]
    averages: list[Average]
    accuracy: float
    images: int
    confusion: Confusion


@dataclass(frozen=True)
class Folds:
    """``rows`` as ``summary.json`` has them, their mean, its interval, their deviation, the two reports side by
    side.
    """

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
        reports=[
            report(title, predictions[name], names) for name, title in titles.items() if len(predictions.get(name, ()))
        ],
    )


def report(title: str, made: Predictions, names: tuple[str, ...]) -> Report:
    """The report of labelled predictions with at least one row."""
    matrix = confusion_matrix(made.truth, made.predicted, len(names))
    return Report(title, class_table(matrix, names), averages(matrix), made.accuracy, len(made), confusion(matrix))


def averages(matrix: NDArray[np.int64]) -> list[Average]:
    """Macro and weighted means over the classes that occur or were predicted, from a (K, K) confusion matrix."""
    scores = class_scores(matrix)
    known = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    figures = [np.nan_to_num(figure[known]) for figure in (scores.precision, scores.recall, scores.f1)]
    support = scores.support[known]
    weights = {
        "macro average": np.full(len(support), 1 / max(len(support), 1)),
        "weighted average": support / support.sum(),
    }
    return [Average(name, *(float(figure @ weight) for figure in figures)) for name, weight in weights.items()]
