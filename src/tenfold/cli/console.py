"""What people see on a terminal: lines, tables, progress, and what to do next."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tenfold.report.runs_page import Table as Texts

LINE_SECONDS = 10.0
QUICK_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """The global options of this invocation."""

    errors: str = "text"
    debug: bool = False
    quiet: bool = False


settings = Settings()


def say(text: str = "") -> None:
    """Print a line for people, unless --quiet."""
    if not settings.quiet:
        print(text, flush=True)


def warn(text: str) -> None:
    """Print a warning to the error stream."""
    print(f"warning: {text}", file=sys.stderr)


def next_steps(*steps: str) -> None:
    """Say what to do next, where a person looks on."""
    if not settings.quiet and sys.stdout.isatty():
        for number, step in enumerate(steps):
            print(f"{'' if number else 'next':<10} {step}")


def show_page(path: str | Path, *, open_it: bool = False) -> None:
    """Print a page's path, on a terminal as a link that it opens; with ``open_it``, open it in the browser."""
    print(Path(path).resolve().as_uri() if sys.stdout.isatty() else path)
    if open_it:
        open_page(path)


def open_page(path: str | Path) -> None:
    """Open a page in the browser."""
    import webbrowser

    webbrowser.open(Path(path).resolve().as_uri())


def print_table(texts: Texts, dim: Collection[int] = ()) -> None:
    """Print a table for a terminal, the rows whose numbers are in ``dim`` less brightly; names stay whole."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:  # a pipe has no width; there, no row may be folded
        console = Console(width=1000)
    table = Table(box=SIMPLE_HEAD)
    for number, heading in enumerate(texts.header):
        table.add_column(heading, justify="right" if heading in texts.right else "left", no_wrap=number == 0)
    for place, cells in enumerate(texts.rows):
        table.add_row(*map(Text, cells), style="dim" if place in dim else "")
    console.print(table)


@contextmanager
def fetching_shown() -> Iterator[None]:
    """Say what is fetched while the block runs: a line that counts on a terminal, a line a file elsewhere."""
    if settings.quiet:
        yield
        return
    from tenfold.data import fetch

    fetch.watchers.append(_fetching)
    try:
        yield
    finally:
        fetch.watchers.remove(_fetching)


def _fetching(what: str, done: int, total: int | None) -> None:
    if not sys.stderr.isatty():
        if done == 0:
            print(f"fetching {what}", file=sys.stderr, flush=True)
        return
    of = f" of {total / 1e6:,.1f}" if total else ""
    end = "\n" if total and done >= total else ""
    print(f"\r\x1b[Kfetching {what}: {done / 1e6:,.1f}{of} MB", end=end, file=sys.stderr, flush=True)


class Watch:
    """A bar on a terminal, a line now and then elsewhere, on the error stream; nothing when --quiet or when it is over
    soon.
    """

    def __init__(self) -> None:
        self._began = self._spoken = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def __call__(self, share: float, rows: int) -> None:
        """So much is done."""
        elapsed = time.monotonic() - self._began
        if settings.quiet or elapsed < QUICK_SECONDS:
            return
        figures = f"{rows:,} images, {rows / elapsed:,.0f} a second"
        if sys.stderr.isatty():
            progress, task = self._bar = self._bar or _bar()
            progress.update(task, completed=share, figures=figures)
        elif time.monotonic() - self._spoken >= LINE_SECONDS:
            self._spoken = time.monotonic()
            left = f", {elapsed * (1 - share) / share:,.0f} s left" if share > 0 else ""
            print(f"{share:.0%}: {figures}{left}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """No more of it."""
        if self._bar is not None:
            self._bar[0].stop()


def _bar() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(bar_width=None), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[figures]}"))
    progress = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))
    progress.start()
    return progress, progress.add_task("", total=1.0, figures="")


def free_name(path: str | Path) -> Path:
    """``path``, or with ``-2``, ``-3`` and so on before its ending, whichever is not there yet."""
    path = Path(path)
    others = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(other for other in others if not other.exists())
