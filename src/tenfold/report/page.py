"""Numbers in, one HTML file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import learn_confidence
from tenfold.files import write_text
from tenfold.report.rendering import fill
from tenfold.report.scored import TITLES, scored_sections
from tenfold.report.sections import performance, record
from tenfold.report.sections.learning import MOST, evolution, training
from tenfold.report.sections.mistakes import Beside, explained
from tenfold.report.sections.performance import headline, share_label
from tenfold.report.sections.record import folds
from tenfold.report.sprites import sheet
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

if TYPE_CHECKING:  # it loads torch, which most pages do without
    from tenfold.evaluation.attribution import Explanation

SPLITS = {"test": "test", "holdout": "holdout", "validation": "validation", "out-of-fold": "oof"}
"""What the page calls each set of predictions, and the name it is stored under; what counts most comes first."""


def write_report(
    run: Run,
    datasets: Mapping[str, Dataset],
    *,
    previews: NDArray[np.uint8] | None = None,
    explanations: Sequence[Explanation] = (),
) -> Path:
    """Write ``report.html`` into the run's directory: one file that needs nothing else and asks nobody.

    Args:
        run: with stored predictions called "test" or "validation", or a cross-validation.
        datasets: the images behind the predictions of the same name ("out-of-fold" for a cross-validation), row for
            row.
            A missing one costs the pictures. With "train", mistakes stand beside the training images they resemble.
        previews: uint8 (N, C, H, W), augmented training images to show.
        explanations: of the hardest images.

    Returns:
        The path of the report.

    Raises:
        ValueError: a dataset's ids are not those of the predictions.
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    path = run.path / "report.html"
    write_text(path, render(run, datasets, previews=previews, explanations=explanations))
    return path


def render(
    run: Run,
    datasets: Mapping[str, Dataset],
    *,
    previews: NDArray[np.uint8] | None = None,
    explanations: Sequence[Explanation] = (),
) -> str:
    """The report as text. See :func:`write_report`."""
    predictions = {split: run.predictions(name) for split, name in SPLITS.items() if run.has_predictions(name)}
    for split, made in predictions.items():
        if split in datasets and not np.array_equal(datasets[split].ids, made.ids):
            raise ValueError(f"the ids of datasets[{split!r}] are not those of the {split} predictions")
    summary = _optional(run, "summary.json")
    seconds = summary.get("seconds") or {}
    members = record.members(run)
    data = _optional(run, "data.json")
    found = record.findings(data.get("findings") or ())
    names = _class_names(data, datasets, predictions)
    shown = headline(predictions)
    histories = [trained.history(member) for trained, member in run.trained()]
    context: dict[str, Any] = {
        "run_name": run.path.name,
        "recipe": run.recipe,
        "recipe_text": run.recipe.to_toml(),
        "names": names,
        "long_names": any(len(name) > 3 for name in names),
        "headline": shown,
        "leaked": bool(summary.get("leaked") or data.get("leaked"))
        or any(finding.severity == "leak" for finding in found),
        "left_out": run.left_out,
        "training": training(histories),
        "evolution": evolution(histories, len(names), predictions.get("validation")),
        "members": members,
        "layers": record.architectures(run.recipe),
        "inexact": (run.path / "resumed.json").exists(),
        "sources": record.sources(data),
        "findings": found,
        "stages": record.stages(seconds),
        "total_seconds": record.total_seconds(seconds),
        "environment": record.flattened(_optional(run, "environment.json"), without=("recipe",)),
        "explored": (run.path / "explore.html").exists(),
        "previews": None if previews is None or not len(previews) else sheet(previews),
        "preview_count": 0 if previews is None else len(previews),
        "explained": explained(explanations),
        "folds": None,
        "scored": None,
        "counts": None,
    }
    if "out-of-fold" in predictions:
        context["folds"] = folds(summary, {"train": run.predictions("train"), **predictions}, names)
    elif inner := run.cross_validation():
        both = {"train": inner.predictions("train"), "out-of-fold": inner.predictions("oof")}
        context["folds"] = folds(inner.summary, both, names)
    if shown.main:
        split = shown.main.split
        validation = predictions.get("validation")
        context["scored"] = scored_sections(
            split,
            predictions[split],
            names,
            Beside(datasets[split].images if split in datasets else None, train=datasets.get("train")),
            learnt=None if validation is None else learn_confidence(validation),
            validation=None if split == "validation" else validation,
            members=_members(run, split),
            how=run.recipe.ensemble.vote,
        )
    if "test" in predictions and predictions["test"].labels is None:
        context["counts"] = performance.predicted_counts(predictions["test"].predicted, names)
    return fill(
        "page.html.j2",
        context | {"contents": _contents(context)},
        scripts=("theme.js", "report.js"),
        styles=("report.css", "explained.css"),
        filters={"share_label": share_label},
    )


def _members(run: Run, split: str) -> list[NDArray[np.float32]]:
    """(N, K) probabilities of each member, if all are there and there are few enough to show."""
    paths = [run.member_path(member) / f"{split}.npz" for member in run.finished_members()]
    if len(paths) > MOST or not all(path.is_file() for path in paths):
        return []
    return [Predictions.load(path).probabilities for path in paths]


def _contents(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(anchor, title) of the sections this page has."""
    scored = context["scored"] or {}
    sections = [
        ("folds", "Folds", context["folds"]),
        ("training", "Training", context["training"]),
        *((name, title, scored.get(name)) for name, title in TITLES.items() if name != "classes"),
        ("looks", "Looks", context["explained"]),
        ("classes", "Classes", scored or context["counts"]),
        ("augmentation", "Augmentation", context["previews"]),
        ("data", "Data", True),
        ("run", "Run", True),
    ]
    return [(anchor, title) for anchor, title, present in sections if present]


def _class_names(
    data: Mapping[str, Any], datasets: Mapping[str, Dataset], predictions: Mapping[str, Predictions]
) -> tuple[str, ...]:
    """K names: the training set's; an unlabelled test set may not know them. Numbers where nobody does."""
    performance = next((made.probabilities.shape[1] for made in predictions.values()), 0)
    known = [(data.get("train") or {}).get("class_names") or ()]
    known += [dataset.class_names for dataset in datasets.values()]
    return next(
        (tuple(map(str, names)) for names in known if len(names) == performance), tuple(map(str, range(performance)))
    )


def _optional(run: Run, name: str) -> dict[str, Any]:
    """A JSON file that an earlier stage may not have written; a damaged one is still an error."""
    return run.read_json(name) if (run.path / name).exists() else {}
