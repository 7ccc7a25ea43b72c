"""The way through the house: sources -> dataset -> checks -> members -> predictions -> bundle, submission, report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.cache import stored
from tenfold.data.checks import check
from tenfold.errors import UsageError
from tenfold.executors import at_once
from tenfold.exploration.maps.tsne import check_installed
from tenfold.files import write_json
from tenfold.pipeline import cross_validation
from tenfold.pipeline.session import (
    DEFAULTS,
    SILENT,
    Listener,
    Settings,
    Stages,
    announced,
    check_resumable,
    check_same_kind,
    check_spotless,
    describe_source,
    environment_of,
    first_line,
    images_behind,
    load_again,
    load_source,
    load_test,
    recipe_record,
    resumable,
    say_data,
    suited,
    summarise,
    timed,
)
from tenfold.runtime import require_training
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

if TYPE_CHECKING:
    pass

PARTS = ("validation", "holdout", "test")
"""What members predict besides the rows they learn from."""


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
    write_data_page(found, path, Path(run.recipe.data.train).name, read, "report.html")


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
        test: likewise.

    Returns:
        The complete run.

    Raises:
        ResourceError: a package that training needs is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    require_training()
    if settings.explore:
        check_installed()
    from tenfold.training.ensemble import check_recipe, split_rows

    environment = environment_of(settings, recipe)
    listener.say(first_line(environment, settings))
    with timed() as loading:
        train = train if train is not None else load_source(recipe.data.train, "train", settings)
        test = test if test is not None else load_test(recipe, settings, train.class_names)
    say_data(listener, train, test)
    if test is not None:
        check_same_kind(train, test)
    findings = check(train, test)
    if settings.strict:
        check_spotless(findings, train.origin[0].path if train.origin else recipe.data.train)
    listener.findings(findings)
    recipe = suited(recipe, train, settings, listener, asked=0 if test is None else len(test))
    check_recipe(recipe, train)
    run = Run.create(settings.out, recipe)
    with run.lock(), resumable(run, stages):
        write_json(run.path / "environment.json", environment | recipe_record(recipe))
        split = split_rows(recipe, train)
        split.save(run)
        leaked = any(finding.severity == "leak" for finding in findings)
        record = {
            "kind": "run",
            "train": describe_source(train, recipe.data.train),
            "test": None if test is None else describe_source(test, str(recipe.data.test)),
            "rows": split.counts(),
            "findings": [finding.as_dict() for finding in findings],
            "leaked": leaked,
            "estimate": settings.estimate is not None and not recipe.data.folds,
        }
        write_json(run.path / "data.json", record)
        with announced(run, listener):
            _go_on(run, stages, settings, listener, train, test, {"load": loading.seconds})
    return run


def resume(run: Run, stages: Stages = "run", settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Run:
    """Go on with an interrupted run; a complete one is left as it is.

    Raises:
        UsageError: it was begun by another command.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    require_training()
    if run.command != "run":
        raise UsageError(f"{run.path} is no single training; go on with: tenfold {run.command} --resume {run.path}")
    if settings.explore:
        check_installed()
    from tenfold.training.ensemble import leave_out_damaged, split_rows

    with run.lock(), resumable(run, stages):
        if run.is_complete:
            listener.say(f"{run.path} is complete; nothing to do")
            return run
        recipe = run.recipe
        check_resumable(run, settings, listener)
        with timed() as loading:
            train = load_again(run, "train", recipe.data.train, settings)
            test = None if run.data["test"] is None else load_again(run, "test", str(recipe.data.test), settings)
        assert train is not None
        if settings.allow_partial:
            for member, why in leave_out_damaged(run, train).items():
                listener.say(f"member {member} is left out: {why}")
        if not (run.path / "split.npz").is_file():
            split_rows(recipe, train).save(run)
        with announced(run, listener):
            _go_on(run, stages, settings, listener, train, test, {"load": loading.seconds})
    return run


def _go_on(
    run: Run,
    stages: Stages,
    settings: Settings,
    listener: Listener,
    train: Dataset,
    test: Dataset | None,
    seconds: dict[str, float],
) -> None:
    """Every stage after the data is known. Each leaves files that a resumed run finds and keeps."""
    from tenfold.bundle.export import export_run
    from tenfold.training.ensemble import combine, train_members

    missing = run.recipe.ensemble.members - len(run.finished_members()) - len(run.left_out)
    workers = at_once(settings.executor, settings.workers, missing, run.recipe.train.replicas)
    listener.training_starts(run.recipe.ensemble.members, workers)
    try:
        with timed() as training:
            train_members(
                run,
                stored(train, settings.scratch and settings.scratch / "train"),
                None if test is None else stored(test),
                executor=settings.executor,
                workers=workers,
                device=run.environment["device"],
                on_event=listener.event,
            )
    finally:
        listener.training_ends()
    seconds["train"] = training.seconds
    made = {name: predictions for name in PARTS if (predictions := combine(run, name)) is not None}
    estimate: dict[str, Any] = {}
    if stages == "run" and run.data.get("estimate") and all(some.labels is None for some in made.values()):
        with timed() as estimating:
            folder = settings.estimate or run.path.parent
            estimate = cross_validation.estimate(run, train, folder, settings, listener)
        seconds["estimate"] = estimating.seconds
        made |= {"estimate": run.predictions("estimate")} if estimate else {}
    images = images_behind(run, train, test)
    with timed() as exporting:
        listener.say("exporting the bundle")
        export_run(run, train, made, images)
    seconds["export"] = exporting.seconds
    if settings.explore:
        with timed() as exploring:
            explore(run, train, test, made, listener)
        seconds["explore"] = exploring.seconds
    if stages == "run" and run.recipe.data.folds:
        with timed() as validating:
            cross_validation.beside(run, images["train"], settings, listener)
        seconds["cross-validation"] = validating.seconds
    if stages == "run" and test is not None:
        submit(run, made["test"], train.class_names)
    summarise(run, made, seconds, estimate)
    if stages == "run":
        from tenfold.evaluation.attribution import explain_hardest
        from tenfold.report.page import write_report
        from tenfold.report.previews import variants

        recipe = run.recipe
        previews = variants(train.images[0], recipe.augment, recipe.seed) if recipe.augment else None
        write_report(run, images, previews=previews, explanations=explain_hardest(run, images))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    run.seal()
