"""Where optuna keeps a search: a journal of JSON lines that several processes append to."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.files import locked, write_bytes
from tenfold.training.state import derive
from tenfold.tuning.space import distributions
from tenfold.values.recipe import Recipe

if TYPE_CHECKING:
    from optuna import Study, Trial
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

    tune = recipe.tune
    assert tune is not None
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

    assert recipe.tune is not None
    drawn = sum(counts(trial) for trial in study.get_trials(deepcopy=False))
    if drawn >= trials:
        return None
    seed = derive(recipe.seed, "tune", drawn) % 2**32
    startup = recipe.tune.startup
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=parallel)
    return study.ask(distributions(recipe.tune))


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
