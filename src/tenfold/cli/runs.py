"""``tenfold runs``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tenfold.evaluation.leaderboard import Estimate, Row

DEFAULT_FOLDER = Path("runs")
HEADER = ("run", "state", "recipe", "finished", "members", "validation", "test", "seconds", "core-seconds")


def runs(
    folder: Annotated[Path, typer.Argument(help="The folder that holds run directories.", show_default=True)] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    sort: Annotated[
        str,
        typer.Option(help="name, recipe, finished, members, validation, test, seconds or core-seconds.", metavar="KEY"),
    ] = "name",
) -> None:
    """List the runs with their accuracies, 95 % intervals and times."""
    from tenfold.errors import UsageError
    from tenfold.evaluation.leaderboard import leaderboard

    if as_json + as_csv + as_markdown > 1:
        raise UsageError("--json, --csv and --markdown exclude each other")
    if folder != DEFAULT_FOLDER and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    rows = leaderboard(folder, sort)
    if as_json:
        print(json.dumps([_as_json(row) for row in rows], indent=2))
    elif as_csv:
        _print_csv(rows)
    elif not rows:
        print(f"no runs in {folder}; make one with: tenfold run")
    elif as_markdown:
        _print_markdown(rows)
    else:
        _print_table(rows)


def _as_json(row: Row) -> dict[str, object]:
    plain = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in plain.items()}


def _print_csv(rows: Sequence[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    intervals = [f"{name}{part}" for name in ("validation", "test") for part in ("", "_low", "_high")]
    writer.writerow(["run", "state", "detail", "recipe", "finished", "members", *intervals, "seconds", "core_seconds", "leaked"])
    for row in rows:
        figures = [
            getattr(estimate, part, None) for estimate in (row.validation, row.test) for part in ("accuracy", "low", "high")
        ]
        known = [row.name, row.state, row.detail, row.recipe, row.finished, row.members]
        writer.writerow([*known, *figures, row.seconds, row.core_seconds, row.leaked])


def _print_markdown(rows: Sequence[Row]) -> None:
    for cells in (HEADER, ["---"] * len(HEADER), *map(_cells, rows)):
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


def _print_table(rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for heading in HEADER:
        table.add_column(heading, justify="right" if heading in ("members", "seconds", "core-seconds") else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)), style="" if row.state == "complete" else "dim")
    console = Console()
    # a pipe has no width; there, no row may be folded
    (console if console.is_terminal else Console(width=1000)).print(table)


def _cells(row: Row) -> list[str]:
    from tenfold.errors import printable

    state = f"{row.state}: {row.detail}" if row.detail else row.state
    return [
        *map(printable, (row.name, state + (", leaked" if row.leaked else ""), row.recipe or "", row.finished or "")),
        "" if row.members is None else str(row.members),
        _percent(row.validation),
        _percent(row.test),
        "" if row.seconds is None else f"{row.seconds:,.0f}",
        "" if row.core_seconds is None else f"{row.core_seconds:,.0f}",
    ]


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.accuracy:.2%} [{estimate.low:.2%}, {estimate.high:.2%}]"
