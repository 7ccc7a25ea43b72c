"""What trackers are told of one run; whatever one of them raises, the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenfold.errors import TenfoldError
from tenfold.tracking import Tracker
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
                self._say(f"warning: {type(tracker).__name__} is told nothing more ({reason}); all of it is in the run directory")


def member_name(member: int, fold: int | None = None) -> str:
    """What trackers call a member, counted from 0; of a cross-validation, with its fold from 1."""
    return f"member{member:02d}" if fold is None else f"fold{fold:02d}/member{member:02d}"
