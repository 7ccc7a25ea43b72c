"""A study that trackers hear of: every training is a run of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenfold.studies.progress import StudyLines
from tenfold.tracking._listener import Told, connected, member_name
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run


def tracked_study(lines: StudyLines, wanted: Sequence[str], folder: Path) -> StudyLines:
    """``lines``, and the trackers ``wanted``, each ``NAME`` or ``NAME=PLACE``, for the trainings in ``folder``.

    Raises:
        UsageError: no such tracker.
        ResourceError: its package is missing, or it cannot be reached.
    """
    if not wanted:
        return lines
    connected(wanted, folder, lines.say)
    return TrackedStudy(lines, wanted, folder)


class TrackedStudy(StudyLines):
    """Passes everything on, and tells trackers: here, where workers report, so that one process writes to them."""

    def __init__(self, inner: StudyLines, wanted: Sequence[str], folder: Path) -> None:
        self._inner = inner
        self._wanted = wanted
        self._folder = folder
        self._told: dict[tuple[str, int], Told] = {}

    def say(self, text: str) -> None:
        """See :class:`StudyLines`."""
        self._inner.say(text)

    def begins(self, total: int, there: int, workers: int) -> None:
        """See :class:`StudyLines`."""
        self._inner.begins(total, there, workers)

    def event(self, recipe: Recipe, event: dict[str, Any]) -> None:
        """Tell the trackers of its training's beginning, epochs and end."""
        name = recipe.name, recipe.seed
        if "begun" in event:
            if earlier := self._told.pop(name, None):  # lost with its machine, and begun again
                earlier.stop()
            self._told[name] = Told(lambda: connected(self._wanted, self._folder), self._inner.say)
            self._told[name].begin(Run(event["begun"]))
        elif "history" in event and name in self._told:
            self._told[name].epoch(member_name(event["member"]), event["history"])
        elif "finished" in event and name in self._told:
            self._told.pop(name).end(Run(self._folder / event["finished"]))
        self._inner.event(recipe, event)

    def ends(self) -> None:
        """See :class:`StudyLines`; what is still under way was interrupted, or failed."""
        for told in self._told.values():
            told.stop()
        self._inner.ends()
