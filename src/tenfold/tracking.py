"""Runs in other people's trackers, as they happen: curves, parameters and artefacts.

A tracker gets copies. Everything stands in the run directory, with a tracker or without one, and no tracker can stop a
training. Trackers are entry points of the group ``tenfold.tracking``; :mod:`tenfold.plugins` has two.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenfold.data.checks import Finding
from tenfold.errors import TenfoldError
from tenfold.pipeline.session import Listener
from tenfold.registry import Registry
from tenfold.values.run import Run

SEPARATOR = "="


class Tracker(ABC):
    """One place that runs are copied to; made for one run.

    Args:
        place: where to, as the user wrote it; None is the tracker's own choice.
        folder: that holds the run directories, for trackers that keep files.
    """

    def __init__(self, place: str | None, folder: Path) -> None:
        self.place = place
        self.folder = folder

    @abstractmethod
    def connect(self) -> str:
        """Make sure that it can be reached, before anything is trained; the answer says where runs will be seen.

        Raises:
            ResourceError: a package is missing, or nobody answers.
            UsageError: the place cannot be meant.
        """

    @abstractmethod
    def begin(self, run: Run) -> None:
        """A run begins or goes on: its name and parameters."""

    @abstractmethod
    def epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """An epoch of the member ``name`` has ended: a row of its history."""

    @abstractmethod
    def end(self, run: Run) -> None:
        """The run is complete: its figures and files."""

    @abstractmethod
    def stop(self) -> None:
        """The run was interrupted, or failed."""


TRACKERS: Registry[type[Tracker]] = Registry(__name__, "tracker")


def make_trackers(wanted: Sequence[str], folder: Path) -> list[Tracker]:
    """The trackers in ``wanted``, each ``NAME`` or ``NAME=PLACE``; the last of a name counts.

    Raises:
        UsageError: no such tracker.
    """
    pairs = [one.partition(SEPARATOR)[::2] for one in wanted]
    return [TRACKERS.get(name)(place or None, folder) for name, place in dict(pairs).items()]


class Told:
    """Trackers of one run. One that fails is named once and left alone from then on.

    Args:
        trackers: gives them, connected and made for this run alone.
        say: takes a line for people.
    """

    def __init__(self, trackers: Callable[[], Sequence[Tracker]], say: Callable[[str], None]) -> None:
        self._say = say
        self._trackers: list[Tracker] = []
        try:
            self._trackers += trackers()
        except TenfoldError as error:  # it answered when all began
            say(f"warning: {error}; all of it is in the run directory")

    def begin(self, run: Run) -> None:
        """The run begins or goes on; what earlier epochs of an interrupted run were like is told again."""
        self._each(lambda tracker: tracker.begin(run))
        folds = run.folds()
        for number, home in enumerate(folds or [run], 1):
            for member in range(home.recipe.ensemble.members):
                for row in home.history(member):
                    self.epoch(member_name(member, number if folds else None), row)

    def epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """An epoch of the member ``name`` has ended."""
        self._each(lambda tracker: tracker.epoch(name, row))

    def end(self, run: Run) -> None:
        """The run is complete; nothing more is told."""
        self._each(lambda tracker: tracker.end(run))
        self._trackers = []

    def stop(self) -> None:
        """It was interrupted, or failed; nothing more is told."""
        self._each(lambda tracker: tracker.stop())
        self._trackers = []

    def _each(self, what: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                what(tracker)
            except Exception as error:  # whatever a tracker raises, the run is worth more
                self._trackers.remove(tracker)
                reason = str(error).partition("\n")[0][:200] or type(error).__name__
                self._say(
                    f"warning: {type(tracker).__name__} is told nothing more ({reason}); all of it is in the run"
                    " directory"
                )


def member_name(member: int, fold: int | None = None) -> str:
    """What trackers call a member, counted from 0; of a cross-validation, with its fold from 1."""
    return f"member{member:02d}" if fold is None else f"fold{fold:02d}/member{member:02d}"


def tracked(listener: Listener, wanted: Sequence[str], folder: Path) -> Listener:
    """``listener``, and the trackers ``wanted``, each ``NAME`` or ``NAME=PLACE``, for runs in ``folder``.

    Raises:
        UsageError: no such tracker.
        ResourceError: its package is missing, or it cannot be reached.
    """
    if not wanted:
        return listener
    connected(wanted, folder, listener.say)
    return Tracked(listener, lambda: connected(wanted, folder))


def connected(wanted: Sequence[str], folder: Path, say: Callable[[str], None] = lambda text: None) -> list[Tracker]:
    """The trackers ``wanted``, ready for one run; ``say`` hears where it will be seen. Raises as :func:`tracked`."""
    trackers = make_trackers(wanted, folder)
    for tracker in trackers:
        say(f"tracked: {tracker.connect()}")
    return trackers


class Tracked(Listener):
    """Passes everything on to another listener, and epochs and runs to trackers.

    A search is a run, and so is each of its trials.

    Args:
        inner: the other listener.
        trackers: makes those of one run.
    """

    def __init__(self, inner: Listener, trackers: Callable[[], Sequence[Tracker]]) -> None:
        self._inner = inner
        self._trackers = trackers
        self._run = Told(list, inner.say)
        self._trials: dict[int, Told] = {}
        self._names: Sequence[str] = ()

    def say(self, text: str) -> None:
        """See :class:`Listener`."""
        self._inner.say(text)

    def findings(self, findings: list[Finding]) -> None:
        """See :class:`Listener`."""
        self._inner.findings(findings)

    def run_begins(self, run: Run) -> None:
        """Tell the trackers, and what earlier epochs of an interrupted run were like."""
        self._inner.run_begins(run)
        self._run = Told(self._trackers, self._inner.say)
        self._run.begin(run)

    def run_ends(self, run: Run) -> None:
        """See :class:`Listener`."""
        self._inner.run_ends(run)
        self._run.end(run)

    def run_stops(self) -> None:
        """See :class:`Listener`."""
        self._inner.run_stops()
        for told in (*self._trials.values(), self._run):
            told.stop()

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """See :class:`Listener`."""
        self._names = names
        self._inner.training_starts(members, workers, names)

    def search_starts(self, workers: int) -> None:
        """See :class:`Listener`."""
        self._inner.search_starts(workers)

    def trial_begins(self, worker: int, run: Run) -> None:
        """See :class:`Listener`; a worker that begins another trial has lost the one before."""
        self._inner.trial_begins(worker, run)
        if worker in self._trials:
            self._trials[worker].stop()
        self._trials[worker] = Told(self._trackers, self._inner.say)
        self._trials[worker].begin(run)

    def trial_ends(self, worker: int, run: Run | None) -> None:
        """See :class:`Listener`."""
        self._inner.trial_ends(worker, run)
        if told := self._trials.pop(worker, None):
            told.stop() if run is None else told.end(run)

    def event(self, member: int, event: dict[str, Any]) -> None:
        """An epoch goes to the trackers, too."""
        if "history" in event:
            if member in self._trials:
                self._trials[member].epoch(member_name(event["member"], event["fold"] + 1), event["history"])
            else:
                self._run.epoch(self._names[member] if self._names else member_name(member), event["history"])
        self._inner.event(member, event)

    def training_ends(self) -> None:
        """See :class:`Listener`."""
        self._inner.training_ends()


CURVES = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}
"""Keys of a history's rows, and what trackers call them."""


def title(run: Run) -> str:
    """The name of a run; a trial's stands behind that of its search."""
    is_trial = run.path.parent.name == "trials"
    return f"{run.path.parents[1].name}/{run.path.name}" if is_trial else run.path.name


def parameters(run: Run) -> dict[str, str]:
    """The recipe with every default spelled out, one level deep: ``train.epochs`` -> ``12``."""
    return dict(_flat(run.recipe.model_dump(mode="json", exclude={"claim", "expected"}), ""))


def epoch_figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The curves' values at the end of an epoch; what is unknown is left out."""
    found = {name: row.get(key) for key, name in CURVES.items()}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def final_figures(run: Run) -> dict[str, float]:
    """The headline figures of a complete run."""
    summary = run.summary
    found: dict[str, float] = {}
    for split in ("test", "validation", "estimate"):
        figures = summary.get(split) or {}
        found |= {
            f"{split}/{name}": float(figures[name]) for name in ("accuracy", "low", "high", "errors") if name in figures
        }
    found |= {
        name: float(summary[name]) for name in ("mean", "deviation", "core_seconds") if summary.get(name) is not None
    }
    found["seconds"] = float(summary["seconds"]["total"])
    return found


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        items = [(str(number), part) for number, part in enumerate(value)]
    else:
        return [] if value is None else [(name, str(value))]
    return [pair for key, part in items for pair in _flat(part, f"{name}.{key}" if name else key)]
