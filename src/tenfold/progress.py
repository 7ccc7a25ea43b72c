"""What people see while members train: bars on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenfold.pipeline import Listener

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tenfold.data.checks import Finding

LINE_SECONDS = 10.0


def listener_for(*, quiet: bool = False) -> Listener:
    """The listener that suits where the output goes."""
    if quiet:
        return Listener()
    return Bars() if sys.stderr.isatty() else Lines()


class Lines(Listener):
    """Plain lines: a member's epoch when it ends, and a sign of life every ten seconds."""

    def __init__(self) -> None:
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
                mark = {"note": "ok ", "warning": "note:", "error": "ERROR:"}[finding.severity]
                self.say(f"check {finding.name}: {mark.strip()} {finding.message}")

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """Say how many."""
        self._names = names or [f"member {member + 1}/{members}" for member in range(members)]
        self.say(f"training {members} member{'s' * (members > 1)}, {workers} at a time, one thread each")

    def search_starts(self, workers: int) -> None:
        """Know their names."""
        self._names = [f"worker {number}" for number in range(1, workers + 1)]

    def event(self, member: int, event: dict[str, Any]) -> None:
        """Print an epoch's end, a warning, or a sign of life."""
        if "history" in event:
            self.say(f"{self._names[member]} {epoch_line(event)}")
        elif "warning" in event:
            self.say(f"{self._names[member]}: warning: {event['warning']}")
        elif "resumed" in event:
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
            self.say(f"{place} {share(event):.0%} {live_line(event)}")
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
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._tasks, self._validated = {}, {}
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._progress.start()

    def event(self, member: int, event: dict[str, Any]) -> None:
        """Move a bar."""
        if "warning" in event or "resumed" in event:
            super().event(member, event)
            return
        if member not in self._tasks:
            self._tasks[member] = self._progress.add_task(self._names[member], total=1.0, figures="")
        if "history" in event:
            done = event["history"]["epoch"] / event["epochs"]
            if event["history"]["validation_accuracy"] is not None:
                self._validated[member] = f" validation {event['history']['validation_accuracy']:.4f}"
            self._progress.update(self._tasks[member], completed=done, figures=epoch_line(event))
        elif "fitting" in event:
            figures = f"{event['fitting']} {event['done']}/{event['total']}"
            self._progress.update(self._tasks[member], completed=event["done"] / event["total"], figures=figures)
        else:
            done = (event["epoch"] + share(event)) / event["epochs"]
            figures = (
                f"epoch {event['epoch'] + 1}/{event['epochs']} {live_line(event)}{self._validated.get(member, '')}"
            )
            self._progress.update(self._tasks[member], completed=done, figures=figures)

    def training_ends(self) -> None:
        """Take the bars down, leaving their last state."""
        self._progress.stop()


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
