"""Cross-validation: data -> folds -> their members, all in one queue -> out-of-fold predictions -> figures, report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.data.cache import stored
from tenfold.errors import IntegrityError
from tenfold.evaluation.significance import fold_mean_interval
from tenfold.files import make_directory, write_json
from tenfold.pipeline.datasets import describe_source
from tenfold.pipeline.session import (
    DEFAULTS,
    SILENT,
    Kind,
    Listener,
    Session,
    Settings,
    begin,
    costs,
    go_on,
    scored,
    write_summary,
)
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
    return begin(_kind(folds), recipe, settings, listener, train=train)


def resume(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Run:
    """Go on with an interrupted cross-validation, to the same bits; a complete one is left as it is.

    Raises:
        UsageError: the run is none.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    return go_on(_kind(0), run, settings, listener)


def _kind(folds: int) -> Kind:
    def plan(recipe: Recipe, train: Dataset, listener: Listener) -> Mapping[str, Any]:
        from tenfold.pipeline.folds import make_folds

        made = make_folds(recipe, train, folds)
        for line in _rare_classes(train, [fold.out for fold in made]):
            listener.say(line)
        return {"folds": folds, "rows": {"used": sum(len(fold.out) for fold in made)}}

    return Kind("cv", "cross-validation", "cv", _work, plan, folds=folds)


def beside(session: Session, train: Dataset) -> Run:
    """Cross-validate the rows ``train`` that a run learns from, in its folder ``cv``; what is done already is kept.

    Members of the folds hold rows out only if something is chosen by them.
    """
    from tenfold.training.ensemble import wants_held_rows

    run, listener = session.run, session.listener
    recipe, folds = run.recipe, run.recipe.data.folds
    unneeded = {} if wants_held_rows(recipe) else {"validation": 0}
    data = recipe.data.model_copy(update={"holdout": 0, "folds": 0, "limit": None, "test": None, **unneeded})
    inner = Run.at(run.path / "cv", recipe.model_copy(update={"data": data}))
    if not inner.is_complete:
        listener.say(f"cross-validating the {len(train):,} rows that train, in {folds} folds")
        write_json(inner.path / "environment.json", run.environment)
        source = describe_source(train, recipe.data.train)
        record = {"kind": "cv", "train": source, "test": None, "folds": folds, "leaked": False}
        write_json(inner.path / "data.json", record)
        _work(Session(inner, session.settings, listener, train))
    return inner


def estimate(session: Session, folder: Path) -> dict[str, Any]:
    """Judge a recipe that learns from every row, by rows that their members never saw; what is done already is kept.

    A complete cross-validation of the same recipe on the same data in ``folder`` has such predictions. Else the recipe
    is trained once more in the run's folder ``estimate``, with ``HELD`` of the rows held out that choose nothing.

    Returns:
        The score with the ``core_seconds`` that it took and its ``source``; the predictions are stored as "estimate".
    """
    run = session.run
    place = run.path / "estimate"
    known = None if place.is_dir() else _cross_validated(run, folder)
    if known is not None:
        session.listener.say(f"the accuracy is that of the cross-validation {known.path}")
        made, spent, source = known.predictions("oof"), 0.0, known.path.name
    else:
        inner = _trained_on_less(session, place)
        if inner is None:
            session.listener.say("no estimate: there are too few images of each class to hold any out")
            return {}
        made, spent, source = inner.predictions("holdout"), costs(inner.trained(), {})["core_seconds"], "held-out rows"
    make_directory(run.path / "predictions")
    made.save(run.path / "predictions" / "estimate.npz")
    return {**scored(made), "core_seconds": spent, "source": source}


def _trained_on_less(session: Session, place: Path) -> Run | None:
    """The run in ``place`` of the same recipe with ``HELD`` of the rows held out; None if there are too few."""
    from tenfold.training.ensemble import combine, split_rows, train_members

    run, settings = session.run, session.settings
    recipe, members = run.recipe, run.recipe.ensemble.members
    data = recipe.data.model_copy(update={"holdout": HELD, "test": None, "draw": "stratified"})
    inner = Run.at(place, recipe.model_copy(update={"data": data}))
    split = split_rows(inner.recipe, session.train)
    if not len(split.holdout):
        return None
    session.listener.say(
        f"estimating the accuracy: the recipe trains once more, on {len(split.train):,} rows, and reads the other"
        f" {len(split.holdout):,}; --no-estimate does without"
    )
    split.save(inner)
    training = Session(inner, settings, session.listener, session.train)
    names = [f"estimate {member + 1}/{members}" for member in range(members)]
    with training.training(members, members - len(inner.finished_members()), names) as workers:
        train_members(
            inner,
            stored(session.train, settings.scratch and settings.scratch / "train"),
            None,
            executor=settings.executor,
            workers=workers,
            device=run.environment["device"],
            on_event=session.listener.event,
        )
    combine(inner, "holdout")
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return inner


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


def _work(session: Session) -> None:
    """Everything after the data is known. What is done already is found and kept."""
    from tenfold.pipeline.folds import gather, used_by, write_folds
    from tenfold.training.ensemble import execute, member_tasks

    run, train = session.run, session.train
    folders = write_folds(run, train, run.data["folds"])
    device, where = run.environment["device"], stored(train)
    tasks = [
        task
        for fold, asked in zip(run.folds(), folders, strict=True)
        for task in member_tasks(fold, where, asked, device)
    ]
    with session.training(len(tasks), len(tasks), _names(run, tasks)) as workers:
        execute(run, tasks, session.settings.executor, workers, session.listener.event)
    made = gather(run, train)
    write_summary(run, {**_figures(run, made), **costs(run.trained(), session.seconds)})
    used = train.take(used_by(run))
    Session(run, session.settings, session.listener, used).report({"out-of-fold": used})
    for path in (run.path, *(fold.path for fold in run.folds())):
        shutil.rmtree(path / "checkpoints", ignore_errors=True)
    run.seal()


def _names(run: Run, tasks: list[dict[str, Any]]) -> list[str]:
    """What people read of each task: its fold, and its member where there are several."""
    folds, members = run.folds(), run.recipe.ensemble.members
    places = {str(fold.path.resolve()): f"fold {number}/{len(folds)}" for number, fold in enumerate(folds, 1)}
    many = members > 1
    return [places[task["run"]] + (f" member {task['member'] + 1}/{members}" if many else "") for task in tasks]


def _figures(run: Run, made: Mapping[str, Predictions]) -> dict[str, Any]:
    """Accuracy of all out-of-fold predictions and of each fold, for ``summary.json``."""
    from tenfold.pipeline.folds import fold_of, used_by

    oof, rows = made["oof"], used_by(run)
    folds = [scored(oof.take(np.isin(rows, fold_of(fold).out))) for fold in run.folds()]
    accuracies = [fold["accuracy"] for fold in folds]
    low, high = fold_mean_interval(accuracies)
    return {
        "validation": scored(oof),
        "train": scored(made["train"]),
        "folds": folds,
        "mean": float(np.mean(accuracies)),
        "mean_low": low,
        "mean_high": high,
        "deviation": float(np.std(accuracies, ddof=1)),
    }


def _rare_classes(train: Dataset, folds: list[Any]) -> list[str]:
    """A line for each class that some fold has none of: its figures rest on the others."""
    lines = []
    for label in np.unique(train.truth):
        absent = sum(not (train.truth[rows] == label).any() for rows in folds)
        if absent:
            lines.append(f"note: {absent} of {len(folds)} folds have no image of class {train.class_names[label]}")
    return lines
