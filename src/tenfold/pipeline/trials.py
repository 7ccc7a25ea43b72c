"""The trials of a search: a journal of them that several processes append to, and the worker that makes them."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.cache import open_stored
from tenfold.errors import BusyError, ResourceError, Stopped, TenfoldError
from tenfold.evaluation.metrics import log_loss
from tenfold.executors import Context, Json, resolve
from tenfold.files import locked, write_bytes
from tenfold.pipeline.folds import gather, write_folds
from tenfold.pipeline.search import settings_of, with_values
from tenfold.pipeline.session import costs, scored, write_summary
from tenfold.training.ensemble import TASK, check_recipe, member_tasks
from tenfold.training.state import derive
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Range, Recipe, TuneSettings
from tenfold.values.run import Run

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

JOURNAL = "journal.jsonl"
LOCK = "journal.lock"
NAME = "search"
ERROR = "error"
"""The attribute that says why a trial failed; interrupted ones have none."""
FOLDER = "folder"
"""The attribute that names the folder of a trial that was taken up again."""


class FileLock:
    """optuna's lock for a journal: the system releases it even after ``kill -9``, others wait for a time-out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = ExitStack()

    def acquire(self) -> bool:
        """Wait until nobody else has it."""
        self._held.enter_context(locked(self._path, wait=True))
        return True

    def release(self) -> None:
        """Let others have it."""
        self._held.close()


def prepare(folder: Path) -> None:
    """Make the files of the search, or mend them: a line that a kill cut short is taken off the journal."""
    for name in (LOCK, "claim.lock"):
        if not (folder / name).exists():
            write_bytes(folder / name, b"")
    journal = folder / JOURNAL
    content = journal.read_bytes() if journal.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content or not journal.exists():
        write_bytes(journal, whole)


def open_study(folder: Path, recipe: Recipe) -> Study:
    """The search in ``folder``, after :func:`prepare`; begun unless it is there."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    tune = settings_of(recipe)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL), lock_obj=FileLock(folder / LOCK)))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=tune.startup) if tune.prune else optuna.pruners.NopPruner()
    direction = "maximize" if tune.metric == "accuracy" else "minimize"
    return optuna.create_study(
        storage=storage, pruner=pruner, study_name=NAME, direction=direction, load_if_exists=True
    )


def ask(study: Study, recipe: Recipe, trials: int, *, parallel: bool) -> Trial | None:
    """The next trial, or None if there are ``trials`` already.

    What is drawn depends on the recipe's seed and on the trials so far, never on how often the search was interrupted.
    With ``parallel``, others are under way, and values near theirs are drawn less.
    """
    import optuna

    tune = settings_of(recipe)
    drawn = sum(counts(trial) for trial in study.get_trials(deepcopy=False))
    if drawn >= trials:
        return None
    seed = derive(recipe.seed, "tune", drawn) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=tune.startup, constant_liar=parallel)
    return study.ask(_distributions(tune))


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: under way or ended, but neither waiting nor interrupted."""
    from optuna.trial import TrialState

    if trial.state == TrialState.FAIL:
        return ERROR in trial.user_attrs
    return trial.state != TrialState.WAITING


def take_up(study: Study) -> None:
    """Queue again what was under way when the search was interrupted; its folder keeps what was done."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={FOLDER: trial.user_attrs.get(FOLDER, folder_name(trial.number))})


def folder_name(number: int) -> str:
    """Of the folder below ``trials/`` for the trial of this number."""
    return f"{number:04d}"


def _distributions(tune: TuneSettings) -> dict[str, BaseDistribution]:
    """What optuna draws from, by key."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    drawn: dict[str, Any] = {}
    for key, some in tune.ranges.items():
        if not isinstance(some, Range):
            drawn[key] = CategoricalDistribution(some)
        elif some.is_whole:
            drawn[key] = IntDistribution(int(some.low), int(some.high), log=some.log, step=int(some.step or 1))
        else:
            drawn[key] = FloatDistribution(float(some.low), float(some.high), log=some.log, step=some.step)
    return drawn


def work(context: Context, search: str, train: str, device: str, trials: int, parallel: bool) -> Json:
    """Try values until the search has ``trials`` trials.

    Args:
        context: how to report and when to stop.
        search: the run directory of the search.
        train: folder of the stored training set.
        device: "cpu", "cuda" or "mps".
        trials: how many trials all workers make together, earlier ones included.
        parallel: there are other workers.

    Returns:
        ``{"trials": how many this worker made}``.
    """
    here, made = Run(search), 0
    dataset = open_stored(Path(train))
    study = open_study(here.path, here.recipe)
    while not context.should_stop():
        with locked(here.path / "claim.lock", wait=True):
            trial = ask(study, here.recipe, trials, parallel=parallel)
        if trial is None:
            return {"trials": made}
        attempt = Attempt(context, here, study, trial, dataset, Path(train), device)
        context.emit({"trial": trial.number, "values": trial.params, **attempt.outcome()})
        made += 1
    raise Stopped("stopped")


@dataclass
class Attempt:
    """One trial, from its values to what the search is told."""

    context: Context
    search: Run
    study: Study
    trial: Trial
    train: Dataset
    stored: Path
    device: str
    pruned: bool = False

    def outcome(self) -> Json:
        """Train, judge and tell; what happened, for people: "value", "pruned", "same" (as another trial) or "error".

        Raises:
            Stopped: the work so far is kept, and the trial is taken up when the search goes on.
        """
        from optuna.trial import TrialState

        for other in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if other.params == self.trial.params:
                assert other.value is not None
                self.study.tell(self.trial, other.value)
                return {"value": other.value, "same": other.number}
        folder = self.search.path / "trials" / self.trial.user_attrs.get(FOLDER, folder_name(self.trial.number))
        try:
            recipe = with_values(self.search.recipe, self.trial.params)
            check_recipe(recipe, self.train)
            value = self._value(Run.at(folder, recipe))
        except Stopped:
            if not self.pruned or self.context.should_stop():
                raise
            shutil.rmtree(folder)
            self.study.tell(self.trial, state=TrialState.PRUNED)
            return {"pruned": True}
        except (BusyError, ResourceError):
            raise  # the machine's fault, not that of the values
        except TenfoldError as error:
            self.trial.set_user_attr(ERROR, str(error))
            self.study.tell(self.trial, state=TrialState.FAIL)
            return {"error": str(error)}
        self.study.tell(self.trial, value)
        return {"value": value, "run": str(folder)}

    def _value(self, run: Run) -> float:
        """Train the folds of the trial's run and judge their out-of-fold predictions; only these and figures are
        kept.
        """
        tune = settings_of(self.search.recipe)
        if not run.is_complete:
            began = time.monotonic()
            folders = write_folds(run, self.train, tune.folds, tune.scored)
            self.context.emit({"begun": str(run.path)})
            for fold, asked in zip(run.folds(), folders, strict=True):
                for task in member_tasks(fold, self.stored, asked, self.device):
                    self._train(fold, task)
            self._judge(run, time.monotonic() - began)
            for name in ("checkpoints", "folds"):
                shutil.rmtree(run.path / name)
            run.seal()
        return float(run.summary["validation"]["accuracy"] if tune.metric == "accuracy" else run.summary["log_loss"])

    def _train(self, fold: Run, task: dict[str, Any]) -> None:
        is_first = fold.path.name == "00" and task["member"] == 0

        def emit(event: Json) -> None:
            self.context.emit({**event, "fold": int(fold.path.name), "member": task["member"]})
            if not is_first:
                return
            if "resumed" in event:
                for row in fold.history(0):
                    self._report(row)
            elif (
                "history" in event and event["history"]["epoch"] < event["epochs"]
            ):  # after the last there is nothing to save
                self._report(event["history"])
                self.pruned = self.trial.should_prune()

        resolve(TASK)(Context(emit, lambda: self.pruned or self.context.should_stop()), **task)

    def _report(self, row: Json) -> None:
        tune = settings_of(self.search.recipe)
        value = row["validation_accuracy" if tune.metric == "accuracy" else "validation_loss"]
        if value is not None:
            self.trial.report(value, row["epoch"])

    def _judge(self, run: Run, seconds: float) -> None:
        made = gather(run, self.train)["oof"]
        figures = {
            "validation": scored(made),
            "log_loss": log_loss(made.truth, made.probabilities),
            "values": self.trial.params,
        }
        write_summary(run, {**figures, **costs(run.trained(), {"train": seconds})})
