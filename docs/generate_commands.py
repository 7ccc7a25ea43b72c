"""Write docs/commands.md: the help text of every command, as the terminal shows it.

Run it with ``make docs``; ``--check`` only says whether the file is up to date.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# before typer is imported: it looks once
os.environ |= {
    "TERMINAL_WIDTH": "100",
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "_TYPER_FORCE_DISABLE_TERMINAL": "1",
}
os.environ.pop("FORCE_COLOR", None)

import typer

from tenfold.cli import build_app
from tenfold.files import write_text

PAGE = Path(__file__).with_name("commands.md")
HEADER = """\
# Commands

Written by `make docs` from the help texts. Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 bad
input data, 4 the machine refuses (disk full, permission, memory, a missing package), 5 the run
directory is in use, 6 a hash or version does not match, 130 and 143 stopped and resumable.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and sub-command: ``("data", "fetch")``."""

    def below(group: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in sorted(getattr(group, "commands", {}).items()):
            yield (*words, name)
            yield from below(command, (*words, name))

    yield from below(typer.main.get_command(build_app()), ())


def page() -> str:
    """The text of docs/commands.md."""
    sections = [HEADER, _section(())]
    sections += [_section(words) for words in commands()]
    return "\n".join(sections)


def _section(words: tuple[str, ...]) -> str:
    name = " ".join(("tenfold", *words))
    return f"{'#' * (2 + len(words[1:]))} {name}\n\n```console\n$ {name} --help\n{_help(words)}\n```\n"


def _help(words: tuple[str, ...]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(typer.Exit):
        build_app()(args=[*words, "--help"], prog_name="tenfold", standalone_mode=False)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(
            None
            if PAGE.is_file() and PAGE.read_text("utf-8") == page()
            else f"{PAGE} is not up to date; run: make docs"
        )
    write_text(PAGE, page())
