"""All runs of a folder as one HTML file: a table to sort and filter, their curves in one figure, links to their
reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import IntegrityError, printable
from tenfold.evaluation.compare import Seeds
from tenfold.evaluation.leaderboard import Group, Row, group_runs
from tenfold.files import write_text
from tenfold.report.figures import Tick, fitted, mean_of_members, ticks, whole_ticks
from tenfold.report.rendering import fill, percent
from tenfold.report.sprites import DARK, LIGHT
from tenfold.values.run import Run

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: "\\" + character for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "<": "$<$",
        ">": "$>$",
    }
)


@dataclass(frozen=True)
class Table:
    """Texts below headings; the columns in ``right`` are set flush right."""

    header: tuple[str, ...]
    rows: list[list[str]]
    right: tuple[str, ...] = ("members", "seeds", "seconds", "core-seconds")


def run_table(rows: Sequence[Row]) -> Table:
    """A row a run."""
    header = (
        "run",
        "state",
        "recipe",
        "finished",
        "members",
        "validation",
        "test",
        "against the best",
        "seconds",
        "core-seconds",
    )
    return Table(header, [_of_run(row) for row in rows])


def group_table(groups: Sequence[Group]) -> Table:
    """A row a recipe."""
    header = ("recipe", "seeds", "validation", "test", "against the best", "seconds", "core-seconds")
    return Table(header, [_of_group(group) for group in groups])


def markdown(table: Table) -> list[str]:
    """The lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    ruler = ["---:" if name in table.right else "---" for name in table.header]
    return [line(cells) for cells in (table.header, ruler, *table.rows)]


def latex(table: Table) -> list[str]:
    """The lines of a LaTeX table that uses booktabs."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    columns = "".join("r" if name in table.right else "l" for name in table.header)
    head = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(table.header), r"\midrule"]
    return [*head, *map(line, table.rows), r"\bottomrule", r"\end{tabular}"]


def _of_run(row: Row) -> list[str]:
    state = f"{row.state}: {row.detail}" if row.detail and row.state != "external" else row.state
    return [
        *map(printable, (row.name, state + (", leaked" if row.leaked else ""), row.recipe or "", row.finished or "")),
        "" if row.members is None else str(row.members),
        row.validation.short if row.validation else "",
        row.test.short if row.test else "",
        row.against_best,
        "" if row.seconds is None else f"{row.seconds:,.0f}",
        "" if row.core_seconds is None else f"{row.core_seconds:,.0f}",
    ]


def _of_group(group: Group) -> list[str]:
    return [
        printable(group.name),
        str(len(group.runs)),
        _seeds(group.validation),
        _seeds(group.test),
        group.against_best,
        f"{group.seconds:,.0f}",
        f"{group.core_seconds:,.0f}",
    ]


def _seeds(seeds: Seeds | None) -> str:
    if seeds is None:
        return ""
    return f"{seeds.mean:.2%} ± {seeds.deviation:.2%}" if seeds.number > 1 else f"{seeds.mean:.2%}"


PAGE = "runs.html"
FIGURES = {"Validation error": "validation_accuracy", "Validation loss": "validation_loss"}


@dataclass(frozen=True)
class Line:
    """The curve of one run: SVG points in percent of the plot area; ``colour`` is a number of the palette.

    ``label`` stands ``end`` percent from the top, where the curve ends; empty where there is no room for it.
    """

    run: str
    points: str
    colour: int
    end: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class Overlay:
    """The curves of all runs in one figure."""

    title: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    is_log: bool


def write_runs_page(folder: Path, rows: Sequence[Row]) -> Path:
    """Write ``runs.html`` beside the runs, so that its links to their reports hold wherever the folder goes.

    Args:
        folder: that of the run directories.
        rows: its leaderboard.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    path = folder / PAGE
    write_text(path, render(folder, rows))
    return path


def render(folder: Path, rows: Sequence[Row]) -> str:
    """The page as text. See :func:`write_runs_page`."""
    recipes = list(dict.fromkeys(row.recipe for row in rows if row.recipe and row.state != "external"))
    kinds = {row.name: (row.recipe, row.data, row.changed) for row in rows if row.recipe in recipes}
    order = list(dict.fromkeys(kinds.values()))
    colours = {name: order.index(kind) % len(LIGHT) for name, kind in kinds.items()}
    histories = {row.name: _histories(folder / row.name) for row in rows if row.state in ("complete", "incomplete")}
    overlays = [overlay(title, figure, histories, colours, _labels(rows)) for title, figure in FIGURES.items()]
    groups = group_runs(rows)
    context: dict[str, Any] = {
        "folder": folder.resolve().name,
        "rows": rows,
        "best": _best(rows),
        "groups": groups,
        "recipes": recipes,
        "states": list(dict.fromkeys(row.state for row in rows)),
        "colours": colours,
        "palette": list(zip(LIGHT, DARK, strict=True)),
        "reports": {row.name: link for row in rows if (link := _report(folder, row)) is not None},
        "overlays": [some for some in overlays if some is not None],
    }
    sections = [("recipes", "Recipes", groups), ("curves", "Curves", context["overlays"]), ("runs", "Runs", True)]
    context["contents"] = [(anchor, title) for anchor, title, present in sections if present]
    return fill(
        "runs.html.j2",
        context,
        scripts=("theme.js", "runs.js"),
        styles=("report.css", "runs.css"),
        purpose="the page of runs",
    )


def _best(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The complete run with the highest accuracy on a test set, or failing that on the rows held out."""
    for split in ("test", "validation"):
        known = [row for row in rows if row.state == "complete" and not row.leaked and getattr(row, split)]
        if known:
            best = max(known, key=lambda row: float(getattr(row, split).accuracy))
            return {"row": best, "split": split, "figure": getattr(best, split).accuracy}
    return None


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    """A short name for each run: of recipe, data, changes and seed what tells it from the others."""
    runs = [row for row in rows if row.recipe and row.state != "external"]
    parts = {row.name: (row.recipe or "", row.data, " ".join(row.changed), f"seed {row.seed}") for row in runs}
    differing = [place for place in range(1, 4) if len({some[place] for some in parts.values()}) > 1]
    found = {name: " ".join(some[place] for place in (0, *differing) if some[place]) for name, some in parts.items()}
    again = Counter(found.values())
    return {name: label if again[label] == 1 else name for name, label in found.items()}


LABELS_APART = 5.5
"""Percent of the plot's height between two names."""


def _with_ends(lines: Sequence[Line], labels: Mapping[str, str]) -> list[Line]:
    """Names beside the ends of the lines, pushed apart; none where there are more than fit."""
    if len(lines) * LABELS_APART > 110:
        return list(lines)
    ends = sorted((float(line.points.rsplit(",", 1)[1]), place) for place, line in enumerate(lines))
    where, last = {}, -np.inf
    for end, place in ends:
        last = max(end, last + LABELS_APART)
        where[place] = last
    over = max(0.0, last - 100)  # what went beyond the lower edge moves up again
    return [
        replace(line, end=round(where[place] - over, 2), label=labels.get(line.run, line.run))
        for place, line in enumerate(lines)
    ]


def overlay(
    title: str,
    figure: str,
    histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    colours: Mapping[str, int],
    labels: Mapping[str, str] | None = None,
) -> Overlay | None:
    """One curve a run, the mean of its members, of runs with two epochs or more; None if there are none.

    Accuracies are drawn as shares of errors, on a logarithmic axis: near 1 the curves would be one.
    """
    means = {name: _mean(members, figure) for name, members in histories.items()}
    if figure.endswith("accuracy"):
        means = {name: 1 - mean for name, mean in means.items()}
    means = {name: np.where(mean > 0, mean, np.nan) for name, mean in means.items()}
    means = {name: mean for name, mean in means.items() if np.isfinite(mean).sum() > 1}
    if not means:
        return None
    longest = max(map(len, means.values()))
    finite = np.concatenate([mean[np.isfinite(mean)] for mean in means.values()])
    x, y = fitted(1.0, float(longest)), fitted(float(finite.min()), float(finite.max()), may_be_log=True)

    def points(mean: NDArray[np.float64]) -> str:
        places = [(x.place(i + 1), 100 - y.place(float(v))) for i, v in enumerate(mean) if np.isfinite(v)]
        return " ".join(f"{a:g},{b:.2f}" for a, b in places)

    label: Callable[[float], str] = (
        (lambda v: percent(v, 1 if v >= 0.01 else 2)) if "error" in title else (lambda v: f"{v:.3g}")
    )
    return Overlay(
        title,
        _with_ends([Line(name, points(mean), colours.get(name, 0)) for name, mean in means.items()], labels or {}),
        [Tick(x.place(value), str(value)) for value in whole_ticks(x)],
        [Tick(y.place(value), label(value)) for value in ticks(y)],
        y.is_log,
    )


def _mean(members: Sequence[Sequence[Mapping[str, Any]]], figure: str) -> NDArray[np.float64]:
    """(E,) the mean of a figure over the members, NaN where none has it."""
    epochs = max((int(row["epoch"]) for history in members for row in history), default=0)
    grid = np.full((len(members), epochs), np.nan)
    for member, history in enumerate(members):
        for row in history:
            if (value := row.get(figure)) is not None:
                grid[member, int(row["epoch"]) - 1] = value
    return mean_of_members(grid)


def _histories(path: Path) -> list[list[dict[str, Any]]]:
    """Those of all members, of all folds; none where a file is damaged, which the table says already."""
    try:
        run = Run(path)
        homes = run.folds() or [run]
        found = [
            (home.recipe.model_of(member).kind, home.history(member))
            for home in homes
            for member in range(home.recipe.ensemble.members)
        ]
        return [history for kind, history in found if history and (kind == "network" or len(history) > 1)]
    except IntegrityError:
        return []


def _report(folder: Path, row: Row) -> str | None:
    """The address of the run's report, relative to the page."""
    return f"{quote(row.name)}/report.html" if (folder / row.name / "report.html").is_file() else None
