"""Tables of runs and of recipes as text, for terminals, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenfold.errors import printable
from tenfold.evaluation.compare import Seeds
from tenfold.evaluation.groups import Group
from tenfold.evaluation.leaderboard import Estimate, Row

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
        _percent(row.validation),
        _percent(row.test),
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


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.accuracy:.2%}"
    return f"{estimate.accuracy:.2%} [{estimate.low:.2%}, {estimate.high:.2%}]"


def _seeds(seeds: Seeds | None) -> str:
    if seeds is None:
        return ""
    return f"{seeds.mean:.2%} ± {seeds.deviation:.2%}" if seeds.number > 1 else f"{seeds.mean:.2%}"
