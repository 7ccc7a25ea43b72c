"""A search from its data to the recipe of its best trial."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tenfold.data.cache import stored
from tenfold.data.checks import check
from tenfold.errors import ResourceError, UsageError, missing_extra
from tenfold.executors import EXECUTORS, Json, at_once
from tenfold.files import make_directory, write_json, write_text
from tenfold.pipeline import DEFAULTS, SILENT, Listener, Settings
from tenfold.pipeline.session import (
    announced,
    check_resumable,
    describe_source,
    environment_of,
    first_line,
    load_again,
    load_source,
    recipe_record,
    resumable,
    say_data,
    suited,
    timed,
)
from tenfold.runtime import require_training
from tenfold.tuning.space import corners, with_values
from tenfold.values.dataset import Dataset
from tenfold.values.names import csv_text
from tenfold.values.recipe import Recipe
from tenfold.values.run import MANIFEST, Run

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

WORK = "tenfold.tuning.trial:work"
EXAMPLE = """[tune]
trials = 30
[tune.ranges]
"train.learning_rate" = { low = 0.001, high = 0.02, log = true }
"train.label_smoothing" = [0.0, 0.05, 0.1]"""


def tune(
    recipe: Recipe, settings: Settings = DEFAULTS, listener: Listener = SILENT, *, train: Dataset | None = None
) -> Run:
    """Search through the ranges of the recipe's ``[tune]`` table, in a new run directory.

    Args:
        recipe: names the training set, unless it is given; a test set plays no part.
        settings: where and how; each worker trains one trial after another.
        listener: hears of progress.
        train: used instead of the recipe's source.

    Returns:
        The complete run, with ``best.toml``, the recipe of the best trial, and ``trials.csv``.

    Raises:
        UsageError: nothing to tune, an unknown key, a value that is not allowed.
        ResourceError: a package is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    _check_installed()
    if recipe.tune is None:
        raise UsageError(f"the recipe {recipe.name!r} does not say what to tune; give it a table such as\n{EXAMPLE}")
    from tenfold.training.ensemble import check_recipe
    from tenfold.training.folds import make_folds

    environment = environment_of(settings, recipe)
    listener.say(first_line(environment, settings))
    with timed() as loading:
        train = train if train is not None else load_source(recipe.data.train, "train", settings)
    say_data(listener, train, None)
    findings = check(train)
    listener.findings(findings)
    tune, recipe = recipe.tune, suited(recipe, train, settings, listener, folds=recipe.tune.folds)
    check_recipe(recipe, train)
    for values in corners(tune):
        check_recipe(with_values(recipe, values), train)
    make_folds(recipe, train, tune.folds)
    run = Run.create(settings.out, recipe)
    make_directory(run.path / "trials")
    with run.lock(), resumable(run, run.command):
        write_json(run.path / "environment.json", environment | recipe_record(recipe))
        record = {
            "kind": "tune",
            "train": describe_source(train, recipe.data.train),
            "test": None,
            "findings": [finding.as_dict() for finding in findings],
            "leaked": False,
        }
        write_json(run.path / "data.json", record)
        with announced(run, listener):
            _go_on(run, settings, listener, train, loading.seconds)
    return run


def resume(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT, *, trials: int | None = None) -> Run:
    """Go on with an interrupted search, or make a complete one longer.

    Args:
        run: the search.
        settings: as for :func:`tune`.
        listener: likewise.
        trials: how many in all, earlier ones included; None is as many as were asked for before.

    Raises:
        UsageError: the run is no search.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    _check_installed()
    if run.command != "tune":
        raise UsageError(f"{run.path} is no search; go on with: tenfold {run.command} --resume {run.path}")
    with run.lock(), resumable(run, run.command):
        tune = run.recipe.tune
        assert tune is not None, run.path
        if trials is not None and trials > tune.trials:
            longer = run.recipe.model_copy(update={"tune": tune.model_copy(update={"trials": trials})})
            (run.path / MANIFEST).unlink(missing_ok=True)
            run = Run.at(run.path, longer)
        if run.is_complete:
            listener.say(f"{run.path} is complete; nothing to do")
            return run
        check_resumable(run, settings, listener)
        with timed() as loading:
            train = load_again(run, "train", run.recipe.data.train, settings)
        with announced(run, listener):
            _go_on(run, settings, listener, train, loading.seconds)
    return run


def _check_installed() -> None:
    require_training()
    if find_spec("optuna") is None:
        raise missing_extra("optuna", "tune", "tenfold tune")


def _go_on(run: Run, settings: Settings, listener: Listener, train: Dataset, load_seconds: float) -> None:
    """Take up what was interrupted, make the trials that are missing, write what was found."""
    from tenfold.tuning.storage import open_study, prepare

    tune = run.recipe.tune
    assert tune is not None
    prepare(run.path)
    study = open_study(run.path, run.recipe)
    workers = at_once(settings.executor, settings.workers, missing := _missing(run, study), run.recipe.train.replicas)
    common = {
        "search": str(run.path.resolve()),
        "train": str(stored(train).resolve()),
        "device": run.environment["device"],
    }
    task = {**common, "trials": tune.trials, "parallel": workers > 1}
    listener.say(
        f"{missing} of {tune.trials} trials to go, {workers} at a time, {tune.scored} of {tune.folds} folds each"
    )
    listener.search_starts(workers)

    def hear(worker: int, event: Json) -> None:
        if "begun" in event:
            listener.trial_begins(worker, Run(event["begun"]))
        elif "trial" in event:
            listener.say(trial_line(event))
            listener.trial_ends(worker, Run(event["run"]) if "run" in event else None)
        else:
            listener.event(worker, event)

    try:
        with timed() as searching:
            while missing:  # a machine of a cluster that was lost leaves its trial under way
                EXECUTORS.get(settings.executor)(workers, cores=run.recipe.train.replicas).map(
                    WORK, [task] * min(workers, missing), hear
                )
                missing = _missing(run, study)
    finally:
        listener.training_ends()
    _write_results(run, study.get_trials(deepcopy=False), {"load": load_seconds, "train": searching.seconds})
    run.seal()


def _missing(run: Run, study: Study) -> int:
    """How many trials are to be made, those included that somebody began and left."""
    from tenfold.tuning.storage import counts, take_up

    assert run.recipe.tune is not None
    take_up(study)
    return max(0, run.recipe.tune.trials - sum(counts(trial) for trial in study.get_trials(deepcopy=False)))


def trial_line(event: Json) -> str:
    """A trial in one line: its values and what came of them."""
    values = " ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in event["values"].items())
    if "error" in event:
        outcome = f"failed: {event['error']}"
    elif "pruned" in event:
        outcome = "stopped early: worse than the median"
    else:
        outcome = f"{event['value']:.5f}" + (f" (the values of trial {event['same']})" if "same" in event else "")
    return f"trial {event['trial']}: {values}: {outcome}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write_results(run: Run, trials: Sequence[FrozenTrial], seconds: dict[str, float]) -> None:
    """Write ``best.toml``, ``trials.csv`` and ``summary.json``.

    Raises:
        ResourceError: no trial came to its end.
    """
    from tenfold.tuning.storage import counts

    recipe, made = run.recipe, [trial for trial in trials if counts(trial)]
    assert recipe.tune is not None
    sign = 1 if recipe.tune.metric == "accuracy" else -1
    ended = [trial for trial in made if trial.value is not None and trial.state.name == "COMPLETE"]
    if not ended:
        errors = "; ".join(sorted({str(trial.user_attrs.get("error")) for trial in made}))
        raise ResourceError(f"none of {len(made)} trials came to its end: {errors}")
    best = max(ended, key=lambda trial: (sign * (trial.value or 0.0), -trial.number))
    summaries = {
        json.dumps(some.summary["values"], sort_keys=True): some.summary for some in run.trials() if some.is_complete
    }
    chosen = summaries[json.dumps(best.params, sort_keys=True)]
    figures = chosen["validation"]
    claim = (
        f"The best of {len(made)} trials: out-of-fold accuracy {figures['accuracy']:.4f}, 95 % interval"
        f" {figures['low']:.4f} to {figures['high']:.4f}, on the {figures['n']:,} rows that it was chosen by, so it is"
        " too good"
    )
    tuned = with_values(recipe, best.params).model_copy(update={"name": f"{recipe.name[:57]}-tuned", "claim": claim})
    write_text(run.path / "best.toml", tuned.to_toml())
    write_text(run.path / "trials.csv", _table(made, list(recipe.tune.ranges)))
    summary = {
        "validation": figures,
        "test": None,
        "best": {"trial": best.number, "value": best.value, "values": best.params},
        "metric": recipe.tune.metric,
        "trials": {
            state: sum(trial.state.name.lower() == state for trial in made) for state in ("complete", "pruned", "fail")
        },
        "members": sum(some["members"] for some in summaries.values()),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "core_seconds": sum(some["core_seconds"] for some in summaries.values()),
        "leaked": False,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(run.path / "summary.json", summary)


def _table(trials: Sequence[FrozenTrial], keys: list[str]) -> str:
    """All trials as CSV: number, state, value, the epochs after which a pruned one was stopped, and the values by
    key.
    """
    rows = (
        [
            trial.number,
            trial.state.name.lower(),
            "" if trial.value is None or trial.state.name == "PRUNED" else repr(trial.value),
            max(trial.intermediate_values, default=0),
            *(trial.params.get(key, "") for key in keys),
        ]
        for trial in trials
    )
    return csv_text(["trial", "state", "value", "epochs_reported", *keys], rows)
