"""Who hears of progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenfold.data.checks import Finding
from tenfold.values.run import Run


class Listener:
    """Hears what happens; this one says nothing. The command line's draws progress bars."""

    def say(self, text: str) -> None:
        """A line for people."""

    def findings(self, findings: list[Finding]) -> None:
        """What the checks found, before training."""

    def run_begins(self, run: Run) -> None:
        """A run's directory is there, with its data recorded; also of a run that goes on."""

    def run_ends(self, run: Run) -> None:
        """It is complete."""

    def run_stops(self) -> None:
        """It was interrupted, or failed."""

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """``members`` are about to be trained, ``workers`` at a time; ``names`` say more than their numbers."""

    def search_starts(self, workers: int) -> None:
        """``workers`` are about to train one trial of a search after another; their events have the worker's number."""

    def trial_begins(self, worker: int, run: Run) -> None:
        """A worker of a search begins the trial in ``run``, or goes on with it."""

    def trial_ends(self, worker: int, run: Run | None) -> None:
        """Its trial is complete; None if it was given up, or had nothing to train."""

    def event(self, member: int, event: dict[str, Any]) -> None:
        """A member reports; see :func:`tenfold.training.loop.fit`."""

    def training_ends(self) -> None:
        """No more events."""


SILENT = Listener()
