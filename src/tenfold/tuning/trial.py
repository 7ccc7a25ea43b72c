"""A worker of a search: takes one trial after another, trains it and tells how good it is."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.cache import open_stored
from tenfold.errors import BusyError, ResourceError, Stopped, TenfoldError
from tenfold.evaluation.metrics import log_loss
from tenfold.executors import Context, Json, resolve
from tenfold.files import locked, write_json
from tenfold.pipeline.session import costs, scored
from tenfold.training.ensemble import TASK, check_recipe, member_tasks
from tenfold.training.folds import gather, write_folds
from tenfold.tuning.space import with_values
from tenfold.tuning.storage import ERROR, FOLDER, ask, folder_name, open_study
from tenfold.values.dataset import Dataset
from tenfold.values.run import Run

if TYPE_CHECKING:
    from optuna import Study, Trial


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
        tune = self.search.recipe.tune
        assert tune is not None
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
        tune = self.search.recipe.tune
        assert tune is not None
        value = row["validation_accuracy" if tune.metric == "accuracy" else "validation_loss"]
        if value is not None:
            self.trial.report(value, row["epoch"])

    def _judge(self, run: Run, seconds: float) -> None:
        made = gather(run, self.train)["oof"]
        assert made.labels is not None
        summary = {
            "validation": scored(made),
            "test": None,
            "log_loss": log_loss(made.labels, made.probabilities),
            "values": self.trial.params,
            **costs(run.trained(), {"train": seconds}),
            "leaked": False,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(run.path / "summary.json", summary)
