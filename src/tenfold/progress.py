"""What people see while members train: bars on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.pipeline import Listener
from tenfold.tracking import Told, connected, member_name
from tenfold.values.run import Run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from tenfold.data.checks import Finding
    from tenfold.values.recipe import Recipe

LINE_SECONDS = 10.0


def listener_for(*, quiet: bool = False) -> Listener:
    """The listener that suits where the output goes."""
    if quiet:
        return Listener()
    return Bars() if sys.stderr.isatty() else Lines()


class Left:
    """How long ``total`` equal pieces of work will still take, from what was done here."""

    def __init__(self, total: int, there: int = 0) -> None:
        self._total, self._there = total, there
        self._first: dict[int, float | None] = {}
        self._now: dict[int, float] = {}
        self._began = time.monotonic()

    def told(self, piece: int, share: float) -> None:
        """So much of a piece is done, 0..1."""
        if self._first.setdefault(piece, 0.0) is None:
            self._first[piece] = share
        self._now[piece] = share

    def resumed(self, piece: int) -> None:
        """What the next sign of this piece says was done before, and took no time of ours."""
        self._first[piece] = None

    def __str__(self) -> str:
        gained = sum(share - (self._first[piece] or 0.0) for piece, share in self._now.items())
        missing = self._total - self._there - sum(self._now.values())
        if gained <= 0 or missing < 0:
            return ""
        seconds = round((time.monotonic() - self._began) * missing / gained)
        return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left" if missing > 0 else ""


class Lines(Listener):
    """Plain lines: a member's epoch when it ends, and a sign of life every ten seconds; each with the time left."""

    def __init__(self) -> None:
        self._left: Left | None = None
        self._names: Sequence[str] = ()
        self._latest: dict[int, dict[str, Any]] = {}
        self._spoken = time.monotonic()

    def say(self, text: str) -> None:
        """Print the line."""
        print(text, flush=True)

    def findings(self, findings: list[Finding]) -> None:
        """Print what is worth a look; a leak loudly."""
        for finding in findings:
            if finding.severity == "leak":
                self.say(f"\n!!! LEAKAGE: {finding.message}\n")
            else:
                colon = "" if finding.mark == "ok" else ":"
                self.say(f"check {finding.name}: {finding.mark}{colon} {finding.message}")

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """Say how many."""
        self._names = names or [f"member {member + 1}/{members}" for member in range(members)]
        self._left = Left(members)
        self.say(f"training {members} member{'s' * (members > 1)}, {workers} at a time, one thread each")

    def search_starts(self, workers: int) -> None:
        """Know their names."""
        self._names = [f"worker {number}" for number in range(1, workers + 1)]

    def event(self, member: int, event: dict[str, Any]) -> None:
        """Print an epoch's end, a warning, or a sign of life."""
        if self._left and (done := share_done(event)) is not None:
            self._left.told(member, done)
        if "history" in event:
            self.say(f"{self._names[member]} {epoch_line(event)}{self._left or ''}")
        elif "warning" in event:
            self.say(f"{self._names[member]}: warning: {event['warning']}")
        elif "resumed" in event:
            if self._left:
                self._left.resumed(member)
            self.say(
                f"{self._names[member]}: goes on after epoch {event['resumed']['epoch']}, step"
                f" {event['resumed']['step']}"
            )
        elif "fitting" in event:
            if event["done"] == event["total"]:
                self.say(f"{self._names[member]} {event['fitting']}: {event['total']} done")
        else:
            self._latest[member] = event
            self._sign_of_life()

    def _sign_of_life(self) -> None:
        if time.monotonic() - self._spoken < LINE_SECONDS:
            return
        self._spoken = time.monotonic()
        for member, event in sorted(self._latest.items()):
            place = f"{self._names[member]} epoch {event['epoch'] + 1}/{event['epochs']}"
            self.say(f"{place} {share(event):.0%} {live_line(event)}{self._left or ''}")
        self._latest.clear()


class Bars(Lines):
    """One bar a member: epoch, images/s, loss, validation accuracy, time left."""

    _progress: Progress
    _tasks: dict[int, TaskID]
    _validated: dict[int, str]

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """Draw the bars' frame."""
        super().training_starts(members, workers, names)
        self._draw()

    def search_starts(self, workers: int) -> None:
        """Draw the bars' frame."""
        super().search_starts(workers)
        self._draw()

    def _draw(self) -> None:
        self._tasks, self._validated = {}, {}
        self._progress = bars()
        self._progress.start()

    def event(self, member: int, event: dict[str, Any]) -> None:
        """Move a bar."""
        if "warning" in event or "resumed" in event:
            super().event(member, event)
            return
        if member not in self._tasks:
            self._tasks[member] = self._progress.add_task(self._names[member], total=1.0, figures="", rate="")
        task, done = self._tasks[member], share_done(event)
        if "history" in event:
            if event["history"]["validation_accuracy"] is not None:
                self._validated[member] = f" validation {event['history']['validation_accuracy']:.4f}"
            self._progress.update(task, completed=done, figures=epoch_line(event))
        elif "fitting" in event:
            figures = f"{event['fitting']} {event['done']}/{event['total']}"
            self._progress.update(task, completed=done, figures=figures)
        else:
            figures = f"epoch {event['epoch'] + 1}/{event['epochs']} loss {event['loss']:.4f}"
            figures += self._validated.get(member, "")
            rate = f"{event['images_per_second']:,.0f} images/s"
            self._progress.update(task, completed=done, figures=figures, rate=rate)

    def training_ends(self) -> None:
        """Take the bars down, leaving their last state."""
        self._progress.stop()


def bars(console: Console | None = None) -> Progress:
    """Name, bar, share, rate and time left, whole from 60 columns on; other figures have the room that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=min(30, max(8, (console.width - 50) // 3)), table_column=Column(no_wrap=True)),
        TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[rate]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("left", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )
    return Progress(*columns, console=console, expand=True)


def share_done(event: dict[str, Any]) -> float | None:
    """How much of a member is done, 0..1; None of an event that does not say."""
    if "history" in event:
        return float(event["history"]["epoch"] / event["epochs"])
    if "fitting" in event:
        return float(event["done"] / event["total"])
    return (event["epoch"] + share(event)) / event["epochs"] if "steps" in event else None


def epoch_line(event: dict[str, Any]) -> str:
    """An epoch's figures in one line."""
    row = event["history"]
    line = f"epoch {row['epoch']}/{event['epochs']} loss {row['train_loss']:.4f}"
    if row["validation_accuracy"] is not None:
        line += f" validation {row['validation_accuracy']:.4f}"
    return line


def share(event: dict[str, Any]) -> float:
    """How much of the epoch is done, 0..1."""
    return float(event["step"] / event["steps"])


def live_line(event: dict[str, Any]) -> str:
    """Speed and loss within an epoch."""
    return f"{event['images_per_second']:,.0f} images/s loss {event['loss']:.4f}"


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
        self._left = Left(total, there)
        kept = f", {there} of them are there already" if there else ""
        self.say(f"{total} training{'s' * (total > 1)}{kept}; {workers} at a time")

    def event(self, recipe: Recipe, event: dict[str, Any]) -> None:
        """A training reports that it began, an epoch or its end."""
        if "finished" in event:
            self._left.told(self._done, 1.0)
            self._done += 1
            accuracy = "" if event["accuracy"] is None else f" {event['accuracy']:.2%}"
            self.say(f"{self._done}/{self._total} {recipe.name} seed {recipe.seed}{accuracy}{self._left}")

    def ends(self) -> None:
        """No more events."""


class StudyBar(StudyLines):
    """The same above a bar."""

    _progress: Progress
    _task: TaskID

    def begins(self, total: int, there: int, workers: int) -> None:
        """See :class:`StudyLines`."""
        super().begins(total, there, workers)
        self._progress = bars()
        self._task = self._progress.add_task("training", total=total, completed=there, rate="", figures="")
        self._progress.start()

    def event(self, recipe: Recipe, event: dict[str, Any]) -> None:
        """See :class:`StudyLines`."""
        super().event(recipe, event)
        now = "begun" if "begun" in event else "done"
        if "history" in event:
            now = f"epoch {event['history']['epoch']}/{event['epochs']}"
        rate = f"{self._done}/{self._total}"
        figures = f"{recipe.name} seed {recipe.seed}, {now}"
        self._progress.update(self._task, completed=self._done, rate=rate, figures=figures)

    def ends(self) -> None:
        """See :class:`StudyLines`."""
        self._progress.stop()


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


def study_listener(*, quiet: bool = False, track: Sequence[str] = (), folder: Path = Path()) -> StudyLines:
    """The listener of a study that suits where the output goes, and the trackers ``track``.

    Raises:
        UsageError: no such tracker.
        ResourceError: its package is missing, or it cannot be reached.
    """
    lines = StudyLines(quiet=True) if quiet else StudyBar() if sys.stderr.isatty() else StudyLines()
    if not track:
        return lines
    connected(track, folder, lines.say)
    return TrackedStudy(lines, track, folder)
