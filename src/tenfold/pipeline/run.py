"""The way through the house: sources -> dataset -> checks -> members -> predictions -> bundle, submission, report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenfold.data.cache import stored
from tenfold.data.joined import title_of
from tenfold.errors import IntegrityError, UsageError
from tenfold.exploration.maps.tsne import check_installed
from tenfold.pipeline import cross_validation
from tenfold.pipeline.datasets import images_behind, load_again
from tenfold.pipeline.session import (
    DEFAULTS,
    SILENT,
    Kind,
    Listener,
    Session,
    Settings,
    Stages,
    begin,
    costs,
    environment_of,
    go_on,
    scored,
    write_summary,
)
from tenfold.runtime import require_training
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import MANIFEST, Run

PARTS = ("validation", "holdout", "test")
"""What members predict besides the rows they learn from."""


TIMED = frozenset(
    {"timing.json", "summary.json", "environment.json", "report.html", "explore.html", "resumed.json", MANIFEST}
)
"""Files that say when, where or how long; every other file of a run depends on data, recipe and seed alone."""


def explore(
    run: Run, train: Dataset, test: Dataset | None, made: Mapping[str, Predictions], listener: Listener
) -> None:
    """Write the page about the data, unless it is there."""
    path = run.path / "explore.html"
    if path.exists():
        return
    from tenfold.exploration.examine import examine
    from tenfold.exploration.maps.tsne import DEFAULT
    from tenfold.report.explore_page import write_data_page

    def hear(part: str, done: int, total: int) -> None:
        if not done:
            listener.say(f"exploring the data: {part}")

    read = {"train" if name in ("validation", "estimate") else name: some for name, some in made.items()}
    found = examine(train, test, maps=(DEFAULT,), progress=hear)
    write_data_page(found, path, title_of(run.recipe.data.train), read, "report.html")


def submit(run: Run, made: Predictions, class_names: tuple[str, ...]) -> None:
    """Write Kaggle's file; its name says so if the test set leaked."""
    from tenfold.bundle.submission import submission_name, write_submission

    write_submission(
        run.path / submission_name(run.data["leaked"], partial=bool(run.left_out)), made, class_names, force=True
    )


def start(
    recipe: Recipe,
    stages: Stages = "run",
    settings: Settings = DEFAULTS,
    listener: Listener = SILENT,
    *,
    train: Dataset | None = None,
    test: Dataset | None = None,
) -> Run:
    """Train ``recipe`` in a new run directory, through all ``stages``.

    Args:
        recipe: names the sources, unless datasets are given.
        stages: "train" ends with the members and the bundle; "run" goes on to submission and report.
        settings: where and how.
        listener: hears of progress.
        train: used instead of the recipe's source.
        test: used instead of the recipe's source.

    Returns:
        The complete run.

    Raises:
        ResourceError: a package that training needs is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    return begin(_kind(stages, settings), recipe, settings, listener, train=train, test=test)


def resume(run: Run, stages: Stages = "run", settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Run:
    """Go on with an interrupted run; a complete one is left as it is.

    Raises:
        UsageError: it was begun by another command.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    return go_on(_kind(stages, settings), run, settings, listener)


def _kind(stages: Stages, settings: Settings) -> Kind:
    require_training()
    if settings.explore:
        check_installed()

    def plan(recipe: Recipe, train: Dataset, listener: Listener) -> dict[str, Any]:
        from tenfold.training.ensemble import split_rows

        estimate = settings.estimate is not None and not recipe.data.folds
        return {"rows": split_rows(recipe, train).counts(), "estimate": estimate}

    return Kind("run", "single training", stages, lambda session: work(session, stages), plan, tests=True)


def work(session: Session, stages: Stages) -> None:
    """Every stage after the data is known. Each leaves files that a resumed run finds and keeps."""
    from tenfold.bundle.export import export_run
    from tenfold.evaluation.attribution import explain_hardest

    run, settings, listener, test = session.run, session.settings, session.listener, session.test
    made = _train(session)
    estimate: dict[str, Any] = {}
    if stages == "run" and run.data.get("estimate") and all(some.labels is None for some in made.values()):
        with session.stage("estimate"):
            estimate = cross_validation.estimate(session, settings.estimate or run.path.parent)
        made |= {"estimate": run.predictions("estimate")} if estimate else {}
    images = images_behind(run, session.train, test)
    with session.stage("export"):
        listener.say("exporting the bundle")
        export_run(run, session.train, made, images)
    if settings.explore:
        with session.stage("explore"):
            explore(run, session.train, test, made, listener)
    if stages == "run" and run.recipe.data.folds:
        with session.stage("cross-validation"):
            cross_validation.beside(session, images["train"])
    if stages == "run" and test is not None:
        submit(run, made["test"], session.train.class_names)
    figures = {name: scored(predictions) for name, predictions in made.items() if predictions.labels is not None}
    figures |= {"estimate": estimate} if estimate else {}
    marks = {"leaked": run.data["leaked"], "left_out": sorted(run.left_out)}
    write_summary(run, {**figures, **costs(run.trained(), session.seconds), **marks})
    if stages == "run":
        session.report(images, explanations=explain_hardest(run, images))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    run.seal()


def _train(session: Session) -> dict[str, Predictions]:
    """Train the members that are missing; what all of them together predict, by the name of the rows."""
    from tenfold.training.ensemble import combine, leave_out_damaged, split_rows, train_members

    run, settings, train, test = session.run, session.settings, session.train, session.test
    if settings.allow_partial:
        for member, why in leave_out_damaged(run, train).items():
            session.listener.say(f"member {member} is left out: {why}")
    if not (run.path / "split.npz").is_file():
        split_rows(run.recipe, train).save(run)
    members = run.recipe.ensemble.members
    with session.training(members, members - len(run.finished_members()) - len(run.left_out)) as workers:
        train_members(
            run,
            stored(train, settings.scratch and settings.scratch / "train"),
            None if test is None else stored(test),
            executor=settings.executor,
            workers=workers,
            device=run.environment["device"],
            on_event=session.listener.event,
        )
    return {name: predictions for name in PARTS if (predictions := combine(run, name)) is not None}


@dataclass(frozen=True)
class Reproduction:
    """A run and its second making.

    Attributes:
        run: the new run.
        same: files with the same SHA-256 in both, but for those that tell of time and place.
        different: files that differ or that only one has; empty means: reproduced to the bit.
        environment: what decides bits and is not as it was; empty unless that was allowed.
    """

    run: Run
    same: list[str]
    different: list[str]
    environment: list[str]


def reproduce(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Reproduction:
    """Train again what ``run`` trained, from its recipe and the same data, into a new run directory.

    Args:
        run: a complete training or cross-validation.
        settings: where and how; ``allow_inexact_resume`` goes on even where the bits cannot be the same.
        listener: hears of progress.

    Raises:
        UsageError: it is a search, of which trials are not kept.
        IntegrityError: it is not complete or was changed since, its data is no longer the same, or the
            machine cannot give the same bits.
    """
    require_training()
    from tenfold.training.ensemble import differences

    if run.command not in ("run", "cv"):
        raise UsageError(f"{run.path} is a search; reproduce what it found with: tenfold run {run.path / 'best.toml'}")
    if faults := run.verify():
        raise IntegrityError(f"{run.path} was changed since it was trained: {'; '.join(faults)}")
    changed = differences(run.environment, environment_of(settings, run.recipe))
    if changed and not settings.allow_inexact_resume:
        raise IntegrityError(
            f"{run.path} cannot be reproduced to the bit - {'; '.join(changed)}. "
            "Pass --allow-inexact to train it all the same and see how far apart the figures are"
        )
    recipe, settings = run.recipe, replace(settings, options=settings.options.or_recorded(run.data.get("options")))
    train = load_again(run, "train", settings.options)
    if run.command == "cv":
        again = cross_validation.cross_validate(recipe, int(run.data["folds"]), settings, listener, train=train)
    else:
        test = None if run.data["test"] is None else load_again(run, "test", settings.options)
        stages: Stages = "run" if (run.path / "report.html").is_file() else "train"
        settings = replace(settings, estimate=run.path.parent if run.data.get("estimate") else None)
        again = start(recipe, stages, settings, listener, train=train, test=test)
    before, after = (_hashes(each) for each in (run, again))
    same = sorted(name for name in before if before[name] == after.get(name))
    return Reproduction(again, same, sorted((before.keys() | after.keys()) - set(same)), changed)


def _hashes(run: Run) -> dict[str, str]:
    """SHA-256 by name, as the manifest has them, of the files that must be equal."""
    files = run.read_json(MANIFEST)["files"]
    return {name: entry["sha256"] for name, entry in files.items() if Path(name).name not in TIMED or _is_bundles(name)}


def _is_bundles(name: str) -> bool:
    return name == f"bundle/{MANIFEST}"
