"""Hears what a training says, and tells trackers as well as people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenfold.data.checks import Finding
from tenfold.errors import TenfoldError
from tenfold.pipeline.session import Listener
from tenfold.tracking import Tracker, make_trackers
from tenfold.values.run import Run


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
