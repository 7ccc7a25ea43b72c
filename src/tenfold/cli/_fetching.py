"""What people see while a data set is fetched: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenfold.cli import _console

if TYPE_CHECKING:
    from tenfold.data.fetch import Progress


def fetch_missing(*sources: str | None) -> None:
    """Fetch the data sets among ``sources`` that are known by name and not in the cache, visibly.

    Call it before anything that loads them, which would otherwise fetch them in silence.

    Raises:
        FetchError: nobody could deliver one.
    """
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    known = named_sources()
    names = list(dict.fromkeys(source for source in sources if source in known))
    if not names:
        return
    from tenfold.data.fetch import FetchedSource

    for name in names:
        source = SOURCES.get(str(name))
        if issubclass(source, FetchedSource) and source.cached_in() is None:
            with shown_progress() as progress:
                source.fetch(progress=progress)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A progress function that suits where the messages go."""
    if _console.settings.quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield _line


def _line(what: str, done: int, total: int | None) -> None:
    if done == 0:
        print(f"fetching {what}", file=sys.stderr, flush=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def progress(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"fetching {escape(what)}", total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress
