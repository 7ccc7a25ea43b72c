"""Cross-validation: data -> folds -> their members, all in one queue -> out-of-fold predictions -> figures and
report.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.data.cache import stored
from tenfold.data.checks import check
from tenfold.errors import IntegrityError, UsageError
from tenfold.evaluation.significance import fold_mean_interval
from tenfold.executors import at_once
from tenfold.files import make_directory, write_json
from tenfold.pipeline.session import (
    DEFAULTS,
    SILENT,
    Listener,
    Settings,
    announced,
    check_resumable,
    costs,
    describe_source,
    environment_of,
    first_line,
    load_again,
    load_source,
    recipe_record,
    resumable,
    say_data,
    scored,
    suited,
    timed,
)
from tenfold.runtime import require_training
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run, list_runs

HELD = 0.2
"""Share of the rows that an estimate holds out: what it trains on the others costs four fifths of the run."""


def cross_validate(
    recipe: Recipe,
    folds: int = 5,
    settings: Settings = DEFAULTS,
    listener: Listener = SILENT,
    *,
    train: Dataset | None = None,
) -> Run:
    """Cross-validate ``recipe`` in a new run directory.

    Args:
        recipe: names the training set, unless it is given; a test set plays no part.
        folds: how many, at least 2.
        settings: where and how.
        listener: hears of progress.
        train: used instead of the recipe's source.

    Returns:
        The complete run; ``predictions("oof")`` has every row as read by members that never saw it.

    Raises:
        ResourceError: a package that training needs is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    require_training()
    from tenfold.training.ensemble import check_recipe
    from tenfold.training.folds import make_folds

    environment = environment_of(settings, recipe)
    listener.say(first_line(environment, settings))
    with timed() as loading:
        train = train if train is not None else load_source(recipe.data.train, "train", settings)
    say_data(listener, train, None)
    findings = check(train)
    listener.findings(findings)
    recipe = suited(recipe, train, settings, listener, folds=folds)
    check_recipe(recipe, train)
    made = make_folds(recipe, train, folds)
    for line in _rare_classes(train, [fold.out for fold in made]):
        listener.say(line)
    run = Run.create(settings.out, recipe)
    make_directory(run.path / "folds")
    with run.lock(), resumable(run, run.command):
        write_json(run.path / "environment.json", environment | recipe_record(recipe))
        record = {
            "kind": "cv",
            "train": describe_source(train, recipe.data.train),
            "test": None,
            "folds": folds,
            "rows": {"used": sum(len(fold.out) for fold in made)},
            "findings": [finding.as_dict() for finding in findings],
            "leaked": False,
        }
        write_json(run.path / "data.json", record)
        with announced(run, listener):
            _go_on(run, settings, listener, train, {"load": loading.seconds})
    return run


def resume(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Run:
    """Go on with an interrupted cross-validation, to the same bits; a complete one is left as it is.

    Raises:
        UsageError: the run is none.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    require_training()
    if run.command != "cv":
        raise UsageError(f"{run.path} is no cross-validation; go on with: tenfold {run.command} --resume {run.path}")
    with run.lock(), resumable(run, run.command):
        if run.is_complete:
            listener.say(f"{run.path} is complete; nothing to do")
            return run
        check_resumable(run, settings, listener)
        with timed() as loading:
            train = load_again(run, "train", run.recipe.data.train, settings)
        with announced(run, listener):
            _go_on(run, settings, listener, train, {"load": loading.seconds})
    return run


def beside(run: Run, train: Dataset, settings: Settings, listener: Listener) -> Run:
    """Cross-validate the rows ``train`` that ``run`` learns from, in ``run.path / "cv"``; what is done already is kept.

    Members of the folds hold rows out only if something is chosen by them.
    """
    from tenfold.training.ensemble import wants_held_rows

    recipe, folds = run.recipe, run.recipe.data.folds
    unneeded = {} if wants_held_rows(recipe) else {"validation": 0}
    data = recipe.data.model_copy(update={"holdout": 0, "folds": 0, "limit": None, "test": None, **unneeded})
    inner = Run.at(run.path / "cv", recipe.model_copy(update={"data": data}))
    if not inner.is_complete:
        listener.say(f"cross-validating the {len(train):,} rows that train, in {folds} folds")
        write_json(inner.path / "environment.json", run.environment)
        source = describe_source(train, recipe.data.train)
        write_json(
            inner.path / "data.json", {"kind": "cv", "train": source, "test": None, "folds": folds, "leaked": False}
        )
        _go_on(inner, settings, listener, train, {})
    return inner


def estimate(run: Run, train: Dataset, folder: Path, settings: Settings, listener: Listener) -> dict[str, Any]:
    """Judge a recipe that learns from every row, by rows that their members never saw; what is done already is kept.

    A complete cross-validation of the same recipe on the same data in ``folder`` has such predictions. Else the recipe
    is trained once more in ``run.path / "estimate"``, with ``HELD`` of the rows held out that choose nothing.

    Returns:
        The score with the ``core_seconds`` that it took and its ``source``; the predictions are stored as "estimate".
    """
    from tenfold.training.ensemble import combine, split_rows, train_members

    recipe, place = run.recipe, run.path / "estimate"
    known = None if place.is_dir() else _cross_validated(run, folder)
    if known is not None:
        listener.say(f"the accuracy is that of the cross-validation {known.path}")
        made, spent, source = known.predictions("oof"), 0.0, known.path.name
    else:
        data = recipe.data.model_copy(update={"holdout": HELD, "test": None, "draw": "stratified"})
        inner = Run.at(place, recipe.model_copy(update={"data": data}))
        split = split_rows(inner.recipe, train)
        if not len(split.holdout):
            listener.say("no estimate: there are too few images of each class to hold any out")
            return {}
        listener.say(
            f"estimating the accuracy: the recipe trains once more, on {len(split.train):,} rows, and reads the other"
            f" {len(split.holdout):,}; --no-estimate does without"
        )
        split.save(inner)
        members = recipe.ensemble.members
        workers = at_once(
            settings.executor, settings.workers, members - len(inner.finished_members()), recipe.train.replicas
        )
        listener.training_starts(members, workers, [f"estimate {member + 1}/{members}" for member in range(members)])
        try:
            train_members(
                inner,
                stored(train, settings.scratch and settings.scratch / "train"),
                None,
                executor=settings.executor,
                workers=workers,
                device=run.environment["device"],
                on_event=listener.event,
            )
        finally:
            listener.training_ends()
        combined = combine(inner, "holdout")
        assert combined is not None, place
        made, spent, source = combined, costs(inner.trained(), {})["core_seconds"], "held-out rows"
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
    make_directory(run.path / "predictions")
    made.save(run.path / "predictions" / "estimate.npz")
    return {**scored(made), "core_seconds": spent, "source": source}


def _cross_validated(run: Run, folder: Path) -> Run | None:
    """The newest complete cross-validation in ``folder`` of the recipe of ``run``, on its data."""
    for other in reversed(list_runs(folder)):
        try:
            same_recipe = other.is_complete and other.command == "cv" and other.recipe.key() == run.recipe.key()
            if same_recipe and other.data["train"]["fingerprint"] == run.data["train"]["fingerprint"]:
                return other
        except (IntegrityError, LookupError, TypeError):  # a damaged run is no evidence
            continue
    return None


def _go_on(run: Run, settings: Settings, listener: Listener, train: Dataset, seconds: dict[str, float]) -> None:
    """Everything after the data is known. What is done already is found and kept."""
    from tenfold.training.ensemble import execute, member_tasks
    from tenfold.training.folds import gather, used_by, write_folds

    folders = write_folds(run, train, run.data["folds"])
    device, where = run.environment["device"], stored(train)
    tasks = [
        task
        for fold, asked in zip(run.folds(), folders, strict=True)
        for task in member_tasks(fold, where, asked, device)
    ]
    workers = at_once(settings.executor, settings.workers, len(tasks), run.recipe.train.replicas)
    listener.training_starts(len(tasks), workers, _names(run, tasks))
    try:
        with timed() as training:
            execute(run, tasks, settings.executor, workers, listener.event)
    finally:
        listener.training_ends()
    seconds["train"] = training.seconds
    made = gather(run, train)
    write_json(run.path / "summary.json", summary_of(run, made, seconds))
    _write_report(run, train.take(used_by(run)))
    for path in (run.path, *(fold.path for fold in run.folds())):
        shutil.rmtree(path / "checkpoints", ignore_errors=True)
    run.seal()


def _names(run: Run, tasks: list[dict[str, Any]]) -> list[str]:
    """What people read of each task: its fold, and its member where there are several."""
    folds, members = run.folds(), run.recipe.ensemble.members
    places = {str(fold.path.resolve()): f"fold {number}/{len(folds)}" for number, fold in enumerate(folds, 1)}
    many = members > 1
    return [places[task["run"]] + (f" member {task['member'] + 1}/{members}" if many else "") for task in tasks]


def summary_of(run: Run, made: dict[str, Predictions], seconds: dict[str, float]) -> dict[str, Any]:
    """What ``summary.json`` says: accuracy of all out-of-fold predictions, of each fold, and what it cost."""
    from tenfold.training.folds import fold_of, used_by

    oof, rows = made["oof"], used_by(run)
    folds = []
    for fold in run.folds():
        own = np.isin(rows, fold_of(fold).out)
        assert oof.labels is not None
        folds.append(scored(Predictions(oof.ids[own], oof.probabilities[own], oof.labels[own])))
    accuracies = [fold["accuracy"] for fold in folds]
    low, high = fold_mean_interval(accuracies)
    return {
        "validation": scored(oof),
        "test": None,
        "train": scored(made["train"]),
        "folds": folds,
        "mean": float(np.mean(accuracies)),
        "mean_low": low,
        "mean_high": high,
        "deviation": float(np.std(accuracies, ddof=1)),
        **costs(run.trained(), seconds),
        "leaked": False,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _write_report(run: Run, images: Dataset) -> None:
    from tenfold.report.page import write_report
    from tenfold.report.previews import variants

    recipe = run.recipe
    previews = variants(images.images[0], recipe.augment, recipe.seed) if recipe.augment else None
    write_report(run, {"out-of-fold": images}, previews=previews)


def _rare_classes(train: Dataset, folds: list[Any]) -> list[str]:
    """A line for each class that some fold has none of: its figures rest on the others."""
    assert train.labels is not None
    lines = []
    for label in np.unique(train.labels):
        absent = sum(not (train.labels[rows] == label).any() for rows in folds)
        if absent:
            lines.append(f"note: {absent} of {len(folds)} folds have no image of class {train.class_names[label]}")
    return lines
