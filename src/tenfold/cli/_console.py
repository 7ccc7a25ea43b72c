"""What the global options decided, for the commands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenfold.report.runs_page import Table as Texts


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


def print_table(texts: Texts, dim: Collection[int] = ()) -> None:
    """Print a table for a terminal, the rows whose numbers are in ``dim`` less brightly."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for heading in texts.header:
        table.add_column(heading, justify="right" if heading in texts.right else "left")
    for place, cells in enumerate(texts.rows):
        table.add_row(*map(Text, cells), style="dim" if place in dim else "")
    console = Console()
    # a pipe has no width; there, no row may be folded
    (console if console.is_terminal else Console(width=1000)).print(table)
