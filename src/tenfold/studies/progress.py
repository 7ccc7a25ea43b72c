"""What people see of a study: a bar over all trainings on a terminal, a line a training elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tenfold.values.recipe import Recipe

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class StudyLines:
    """Hears how a study goes; this one says nothing but what ``say`` is told to."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._total = self._done = 0

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._quiet:
            print(text, flush=True)

    def begins(self, total: int, there: int, workers: int) -> None:
        """``total`` trainings are meant, ``there`` of them are there, ``workers`` at a time."""
        self._total, self._done = total, there
        kept = f", {there} of them are there already" if there else ""
        self.say(f"{total} training{'s' * (total > 1)}{kept}; {workers} at a time")

    def event(self, recipe: Recipe, event: dict[str, Any]) -> None:
        """A training reports that it began, an epoch or its end."""
        if "finished" in event:
            self._done += 1
            accuracy = "" if event["accuracy"] is None else f" {event['accuracy']:.2%}"
            self.say(f"{self._done}/{self._total} {recipe.name} seed {recipe.seed}{accuracy}")

    def ends(self) -> None:
        """No more events."""


class StudyBar(StudyLines):
    """The same above a bar."""

    _progress: Progress
    _task: TaskID

    def begins(self, total: int, there: int, workers: int) -> None:
        """See :class:`StudyLines`."""
        from rich.console import Console
        from rich.progress import Progress

        super().begins(total, there, workers)
        self._progress = Progress(console=Console(stderr=True))
        self._task = self._progress.add_task("training", total=total, completed=there)
        self._progress.start()

    def event(self, recipe: Recipe, event: dict[str, Any]) -> None:
        """See :class:`StudyLines`."""
        super().event(recipe, event)
        now = "begun" if "begun" in event else "done"
        if "history" in event:
            now = f"epoch {event['history']['epoch']}/{event['epochs']}"
        self._progress.update(self._task, completed=self._done, description=f"{recipe.name} seed {recipe.seed}, {now}")

    def ends(self) -> None:
        """See :class:`StudyLines`."""
        self._progress.stop()


def study_listener(*, quiet: bool = False) -> StudyLines:
    """The listener that suits where the output goes."""
    if quiet:
        return StudyLines(quiet=True)
    return StudyBar() if sys.stderr.isatty() else StudyLines()
