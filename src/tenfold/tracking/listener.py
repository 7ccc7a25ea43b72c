"""Hears what a training says, and tells trackers as well as people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tenfold.data.checks import Finding
from tenfold.pipeline.listener import Listener
from tenfold.tracking import Tracker, make_trackers
from tenfold.values.run import Run


def tracked(listener: Listener, wanted: Sequence[str], folder: Path) -> Listener:
    """``listener``, and the trackers ``wanted``, each ``NAME`` or ``NAME=PLACE``, for runs in ``folder``.

    Raises:
        UsageError: no such tracker.
        ResourceError: its package is missing, or it cannot be reached.
    """
    if not wanted:
        return listener
    trackers = make_trackers(wanted, folder)
    for tracker in trackers:
        listener.say(f"tracked: {tracker.connect()}")
    return Tracked(listener, trackers)


class Tracked(Listener):
    """Passes everything on to another listener, and epochs and runs to trackers.

    A tracker that fails is named once and left alone from then on: the run goes on.
    """

    def __init__(self, inner: Listener, trackers: Sequence[Tracker]) -> None:
        self._inner = inner
        self._trackers = list(trackers)
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
        self._tell(lambda tracker: tracker.begin(run))
        folds = run.folds()
        for number, home in enumerate(folds or [run], 1):
            for member in range(home.recipe.ensemble.members):
                for row in home.history(member):
                    name = member_name(member, number if folds else None)
                    self._tell(lambda tracker, name=name, row=row: tracker.epoch(name, row))  # type: ignore[misc]

    def run_ends(self, run: Run) -> None:
        """See :class:`Listener`."""
        self._inner.run_ends(run)
        self._tell(lambda tracker: tracker.end(run))
        self._trackers = []

    def run_stops(self) -> None:
        """See :class:`Listener`."""
        self._inner.run_stops()
        self._tell(lambda tracker: tracker.stop())
        self._trackers = []

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """See :class:`Listener`."""
        self._names = names
        self._inner.training_starts(members, workers, names)

    def search_starts(self, workers: int) -> None:
        """See :class:`Listener`."""
        self._inner.search_starts(workers)

    def event(self, member: int, event: dict[str, Any]) -> None:
        """An epoch goes to the trackers, too."""
        if "history" in event:
            name = self._names[member] if self._names else member_name(member)
            self._tell(lambda tracker: tracker.epoch(name, event["history"]))
        self._inner.event(member, event)

    def training_ends(self) -> None:
        """See :class:`Listener`."""
        self._inner.training_ends()

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                what(tracker)
            except Exception as error:  # whatever a tracker raises, the run is worth more
                self._trackers.remove(tracker)
                reason = str(error).partition("\n")[0][:200] or type(error).__name__
                self._inner.say(
                    f"warning: {type(tracker).__name__} is told nothing more ({reason}); all of it is in the run directory"
                )


def member_name(member: int, fold: int | None = None) -> str:
    """What trackers call a member, counted from 0; of a cross-validation, with its fold from 1."""
    return f"member{member:02d}" if fold is None else f"fold{fold:02d}/member{member:02d}"
