"""``tenfold runs``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli._console import print_table
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.evaluation.compare import Seeds
    from tenfold.evaluation.leaderboard import Group, Row

DEFAULT_FOLDER = Path("runs")


def runs(
    folder: Annotated[
        Path, typer.Argument(help="The folder that holds run directories.", show_default=True)
    ] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print a LaTeX table (booktabs).")] = False,
    as_html: Annotated[bool, typer.Option("--html", help="Write FOLDER/runs.html: all runs on one page.")] = False,
    group: Annotated[
        bool, typer.Option("--group", help="One row a recipe: mean, deviation and number of its seeds.")
    ] = False,
    sort: Annotated[
        str,
        typer.Option(help="name, recipe, finished, members, validation, test, seconds or core-seconds.", metavar="KEY"),
    ] = "name",
) -> None:
    """List the runs with their accuracies, 95 % intervals and times, and say which differences are significant.

    "Against the best" compares a run with the best one on the same images (McNemar; with --group, Welch over the
    seeds).
    """
    from tenfold.evaluation.leaderboard import leaderboard

    if as_json + as_csv + as_markdown + as_latex + as_html > 1:
        raise UsageError("--json, --csv, --markdown, --latex and --html exclude each other")
    if folder != DEFAULT_FOLDER and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    rows = leaderboard(folder, sort)
    if as_html:
        from tenfold.report.runs_page import write_runs_page

        print(write_runs_page(folder, rows))
        return
    groups = _groups(rows) if group else []
    if as_json:
        print(json.dumps([_group_as_json(g) for g in groups] if group else [_as_json(row) for row in rows], indent=2))
    elif as_csv and group:
        _print_groups_csv(groups)
    elif as_csv:
        _print_csv(rows)
    elif not rows:
        print(f"no runs in {folder}; make one with: tenfold run")
    else:
        _print(groups, rows, group, "markdown" if as_markdown else "latex" if as_latex else "table")


def _print(groups: Sequence[Group], rows: Sequence[Row], group: bool, form: str) -> None:
    from tenfold.report.runs_page import group_table, latex, markdown, run_table

    table = group_table(groups) if group else run_table(rows)
    if form == "table":
        print_table(table, dim=[] if group else [place for place, row in enumerate(rows) if row.state != "complete"])
    else:
        print("\n".join((markdown if form == "markdown" else latex)(table)))


def _groups(rows: Sequence[Row]) -> list[Group]:
    from tenfold.evaluation.leaderboard import group_runs

    return group_runs(rows)


def _as_json(row: Row) -> dict[str, object]:
    from tenfold.values.accuracy import Accuracy

    plain = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {name: value.as_dict() if isinstance(value, Accuracy) else value for name, value in plain.items()}


def _group_as_json(group: Group) -> dict[str, object]:
    def figures(seeds: Seeds | None) -> object:
        return seeds and {
            "mean": seeds.mean,
            "deviation": seeds.deviation,
            "seeds": seeds.number,
            "values": list(seeds.values),
        }

    return asdict(group) | {"validation": figures(group.validation), "test": figures(group.test)}


def _print_csv(rows: Sequence[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    intervals = [f"{name}{part}" for name in ("validation", "test") for part in ("", "_low", "_high")]
    known = ("name", "state", "detail", "recipe", "finished", "members")
    after = ("seconds", "core_seconds", "leaked", "seed", "against_best")
    writer.writerow(["run", *known[1:], *intervals, *after])
    for row in rows:
        figures = [
            estimate.as_dict()[part] if estimate else None
            for estimate in (row.validation, row.test)
            for part in ("accuracy", "low", "high")
        ]
        writer.writerow([*(getattr(row, name) for name in known), *figures, *(getattr(row, name) for name in after)])


def _print_groups_csv(groups: Sequence[Group]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    figures = [f"{split}_{part}" for split in ("validation", "test") for part in ("mean", "deviation")]
    writer.writerow(["recipe", "seeds", *figures, "against_best", "seconds", "core_seconds"])
    for group in groups:
        values = [
            getattr(seeds, part, None) for seeds in (group.validation, group.test) for part in ("mean", "deviation")
        ]
        writer.writerow([group.name, len(group.runs), *values, group.against_best, group.seconds, group.core_seconds])
