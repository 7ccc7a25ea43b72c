"""A search from its data to the recipe of its best trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tenfold.data.cache import stored
from tenfold.errors import ResourceError, UsageError, missing_extra
from tenfold.executors import EXECUTORS, Json, at_once
from tenfold.files import write_text
from tenfold.pipeline.session import DEFAULTS, SILENT, Kind, Listener, Session, Settings, begin, go_on, write_summary
from tenfold.runtime import require_training
from tenfold.values.dataset import Dataset
from tenfold.values.names import csv_text
from tenfold.values.recipe import Range, Recipe, TuneSettings
from tenfold.values.run import MANIFEST, Run

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

WORK = "tenfold.pipeline.trials:work"
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
    return begin(_kind(recipe.tune.folds), recipe, settings, listener, train=train)


def resume(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT, *, trials: int | None = None) -> Run:
    """Go on with an interrupted search, or make a complete one longer.

    Args:
        run: the search.
        settings: as for :func:`tune`.
        listener: hears of progress.
        trials: how many in all, earlier ones included; None is as many as were asked for before.

    Raises:
        UsageError: the run is no search.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    _check_installed()
    tune = run.recipe.tune
    if run.command == "tune" and tune is not None and trials is not None and trials > tune.trials:
        with run.lock():
            longer = run.recipe.model_copy(update={"tune": tune.model_copy(update={"trials": trials})})
            (run.path / MANIFEST).unlink(missing_ok=True)
            run = Run.at(run.path, longer)
    return go_on(_kind(1), run, settings, listener)


def _kind(folds: int) -> Kind:
    def plan(recipe: Recipe, train: Dataset, listener: Listener) -> Mapping[str, Any]:
        from tenfold.pipeline.folds import make_folds
        from tenfold.training.ensemble import check_recipe

        tune = settings_of(recipe)
        for values in _corners(tune):
            check_recipe(with_values(recipe, values), train)
        make_folds(recipe, train, tune.folds)
        return {}

    return Kind("tune", "search", "tune", _work, plan, folds=folds)


def settings_of(recipe: Recipe) -> TuneSettings:
    """The recipe's ``[tune]`` table, which a search has."""
    assert recipe.tune is not None, recipe.name
    return recipe.tune


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with ``values`` by key, as ``--set`` would have them, and nothing left to tune.

    Raises:
        UsageError: an unknown key, or a value that is not allowed there.
    """
    plain = recipe.model_copy(update={"tune": None, "expected": {}})
    return plain.overridden([f"{key}={json.dumps(value)}" for key, value in values.items()])


def _corners(tune: TuneSettings) -> list[dict[str, Any]]:
    """Values to try before anything is trained: each end and each choice by itself."""
    found: list[dict[str, Any]] = []
    for key, some in tune.ranges.items():
        found += [{key: value} for value in ((some.low, some.high) if isinstance(some, Range) else some)]
    return found


def _check_installed() -> None:
    require_training()
    if find_spec("optuna") is None:
        raise missing_extra("optuna", "tune", "tenfold tune")


def _work(session: Session) -> None:
    """Take up what was interrupted, make the trials that are missing, write what was found."""
    from tenfold.pipeline.trials import open_study, prepare

    run, settings, listener = session.run, session.settings, session.listener
    tune = settings_of(run.recipe)
    prepare(run.path)
    study = open_study(run.path, run.recipe)
    workers = at_once(settings.executor, settings.workers, missing := _missing(run, study), run.recipe.train.replicas)
    common = {
        "search": str(run.path.resolve()),
        "train": str(stored(session.train).resolve()),
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
        with session.stage("train"):
            while missing:  # a machine of a cluster that was lost leaves its trial under way
                EXECUTORS.get(settings.executor)(workers, cores=run.recipe.train.replicas).map(
                    WORK, [task] * min(workers, missing), hear
                )
                missing = _missing(run, study)
    finally:
        listener.training_ends()
    _write_results(run, study.get_trials(deepcopy=False), session.seconds)
    run.seal()


def _missing(run: Run, study: Study) -> int:
    """How many trials are to be made, those included that somebody began and left."""
    from tenfold.pipeline.trials import counts, take_up

    take_up(study)
    return max(0, settings_of(run.recipe).trials - sum(counts(trial) for trial in study.get_trials(deepcopy=False)))


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
    from tenfold.pipeline.trials import counts

    recipe, made = run.recipe, [trial for trial in trials if counts(trial)]
    tune = settings_of(recipe)
    sign = 1 if tune.metric == "accuracy" else -1
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
    write_text(run.path / "trials.csv", _table(made, list(tune.ranges)))
    states = [trial.state.name.lower() for trial in made]
    figures = {
        "validation": figures,
        "best": {"trial": best.number, "value": best.value, "values": best.params},
        "metric": tune.metric,
        "trials": {state: states.count(state) for state in ("complete", "pruned", "fail")},
        "members": sum(some["members"] for some in summaries.values()),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "core_seconds": sum(some["core_seconds"] for some in summaries.values()),
    }
    write_summary(run, figures)


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
