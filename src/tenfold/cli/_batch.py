"""What people see, and may choose, while many images are predicted."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli import _console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Parts = Annotated[
    bool, typer.Option("--parts", help="With --out: leave a folder of parts and parts.json, here or at a URL.")
]
ExecutorName = Annotated[
    str, typer.Option("--executor", help="With --out, where blocks are computed: local, processes or ray.")
]
Workers = Annotated[int | None, typer.Option(help="Processes at once; default: one a core.", min=1)]

LINE_SECONDS = 10.0
QUICK_SECONDS = 1.0


class Watch:
    """A bar on a terminal, a line now and then elsewhere, on the error stream; nothing when --quiet or when it is over
    soon.
    """

    def __init__(self) -> None:
        self._began = self._spoken = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Watch:
        return self

    def __call__(self, share: float, rows: int) -> None:
        """So much is done."""
        elapsed = time.monotonic() - self._began
        if _console.settings.quiet or elapsed < QUICK_SECONDS:
            return
        figures = f"{rows:,} images, {rows / elapsed:,.0f} a second"
        if sys.stderr.isatty():
            progress, task = self._bar = self._bar or _bar()
            progress.update(task, completed=share, figures=figures)
        elif time.monotonic() - self._spoken >= LINE_SECONDS:
            self._spoken = time.monotonic()
            print(f"{share:.0%}: {figures}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar[0].stop()


def _bar() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(bar_width=None), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[figures]}"))
    progress = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))
    progress.start()
    return progress, progress.add_task("", total=1.0, figures="")
