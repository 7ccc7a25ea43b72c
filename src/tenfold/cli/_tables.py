"""One table, four ways to print it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

Format = Literal["table", "markdown", "latex"]
Rows = Sequence[Sequence[str]]

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


def print_table(form: Format, header: Sequence[str], rows: Rows, right: Collection[str] = (), dim: Collection[int] = ()) -> None:
    """Print ``rows`` below ``header``.

    Args:
        form: for a terminal, for Markdown, or for LaTeX with booktabs.
        header: the headings.
        rows: one text a column.
        right: headings of columns that are set flush right.
        dim: numbers of rows that a terminal shows less brightly.
    """
    if form == "markdown":
        _lines([header, ["---:" if name in right else "---" for name in header], *rows], _markdown)
    elif form == "latex":
        _print_latex(header, rows, right)
    else:
        _print_rich(header, rows, right, dim)


def _lines(rows: Rows, line: Callable[[Sequence[str]], str]) -> None:
    for cells in rows:
        print(line(cells))


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _print_latex(header: Sequence[str], rows: Rows, right: Collection[str]) -> None:
    print(r"\begin{tabular}{" + "".join("r" if name in right else "l" for name in header) + "}")
    print(r"\toprule")
    _lines([header], _latex)
    print(r"\midrule")
    _lines(rows, _latex)
    print(r"\bottomrule")
    print(r"\end{tabular}")


def _latex(cells: Sequence[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"


def _print_rich(header: Sequence[str], rows: Rows, right: Collection[str], dim: Collection[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for heading in header:
        table.add_column(heading, justify="right" if heading in right else "left")
    for place, cells in enumerate(rows):
        table.add_row(*map(Text, cells), style="dim" if place in dim else "")
    console = Console()
    # a pipe has no width; there, no row may be folded
    (console if console.is_terminal else Console(width=1000)).print(table)
