"""The page about a run: predictions in, one HTML file out, section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import DataError, UsageError
from tenfold.evaluation.calibration import learn_confidence
from tenfold.files import write_text
from tenfold.report.rendering import fill
from tenfold.report.sections import Material, filled, record
from tenfold.report.sections.learning import MOST
from tenfold.report.sections.performance import headline, share_label
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import find_recipe, load_recipe
from tenfold.values.run import Run

if TYPE_CHECKING:  # it loads torch, which most pages do without
    from tenfold.evaluation.attribution import Explanation

SPLITS = {"test": "test", "holdout": "holdout", "validation": "validation", "estimate": "estimate"} | {
    "out-of-fold": "oof"
}
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
    data = record.optional(run, "data.json")
    found = record.findings(data.get("findings") or ())
    names = _class_names(data, datasets, predictions)
    validation = predictions.get("validation")
    held = validation if validation is not None else predictions.get("estimate")
    learnt = None if held is None else learn_confidence(held)
    shown = headline(predictions, learnt)
    split = shown.main.split if shown.main else ""
    test = predictions.get("test")
    unlabelled = test if test is not None and test.labels is None else None
    trained = [(home.recipe.model_of(member).kind, home.history(member)) for home, member in run.trained()]
    histories = [history for kind, history in trained if kind == "network" or len(history) > 1]
    leaked = bool(record.optional(run, "summary.json").get("leaked") or data.get("leaked"))
    material = Material(
        names,
        split,
        predictions.get(split),
        datasets[split].images if split in datasets else None,
        datasets.get("train"),
        learnt=learnt,
        validation=validation,
        members=_members(run, split) if split else [],
        vote=run.recipe.ensemble.vote,
        histories=histories,
        without_epochs=len(trained) - len(histories),
        explanations=explanations,
        previews=previews,
        unlabelled=unlabelled,
        unlabelled_images=datasets["test"].images if unlabelled is not None and "test" in datasets else None,
        run=run,
        findings=found,
    )
    context = {
        "title": run.recipe.name,
        "claim": run.recipe.claim if _is_claimed(run, data) else "",
        "headline": shown,
        "leaked": leaked or any(finding.severity == "leak" for finding in found),
        "left_out": run.left_out,
        "nothing_held": not run.recipe.data.validation and not split,
    }
    return model_page(material, context)


def model_page(material: Material, context: Mapping[str, Any], purpose: str = "the report") -> str:
    """The page about a run or an evaluation: the headline in ``context``, then every section that has something to say.

    Raises:
        ResourceError: jinja2 is missing.
    """
    names = material.names
    values = filled("model", material)
    return fill(
        "page.html.j2",
        {
            "names": names,
            "long_names": any(len(name) > 3 for name in names),
            "findings": material.findings,
            "counts": material.unlabelled is not None,
            **values,
            **context,
        },
        scripts=("theme.js", "report.js"),
        styles=("report.css", "explained.css", "evaluation.css"),
        filters={"share_label": share_label},
        purpose=purpose,
    )


def _is_claimed(run: Run, data: Mapping[str, Any]) -> bool:
    """Whether this run is one that the recipe's claim is about: the recipe as it is shipped, and its data whole."""
    if not run.recipe.claim:
        return False
    try:
        shipped = load_recipe(find_recipe(run.recipe.name))
    except (UsageError, DataError, OSError):
        return True  # a recipe of somebody's own claims what that somebody wrote beside it
    own = run.recipe.model_copy(update={"seed": shipped.seed})
    source = str((data.get("train") or {}).get("source", ""))
    return own.key() == shipped.key() and source in ("", str(shipped.data.train))


def _members(run: Run, split: str) -> list[NDArray[np.float32]]:
    """(N, K) probabilities of each member, if all are there and there are few enough to show."""
    paths = [run.member_path(member) / f"{split}.npz" for member in run.finished_members()]
    if len(paths) > MOST or not all(path.is_file() for path in paths):
        return []
    return [Predictions.load(path).probabilities for path in paths]


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
