"""Write docs/api.md: every public name, for mkdocstrings to fill in.

Run it with ``make docs``; ``--check`` only says whether the file is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tenfold
from tenfold.files import write_text

PAGE = Path(__file__).with_name("api.md")
HEADER = """\
# The Python API

Written by `make docs`. Everything here is imported from `tenfold` itself - `tenfold.load`, `tenfold.Run` - and nothing heavy is
loaded before it is used. Shape letters: N images, C channels, H x W pixels, K classes, B batch.
"""


def page() -> str:
    """The text of docs/api.md."""
    functions = sorted(name for name in tenfold._HOMES if name[0].islower())
    classes = sorted(name for name in tenfold._HOMES if name[0].isupper())
    sections = [HEADER, "## Functions\n", *map(entry, functions), "## Classes\n", *map(entry, classes)]
    return "\n".join(sections)


def entry(name: str) -> str:
    """What mkdocstrings replaces by signature and docstring."""
    return f"::: {tenfold._HOMES[name]}.{name}\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(
            None
            if PAGE.is_file() and PAGE.read_text("utf-8") == page()
            else f"{PAGE} is not up to date; run: make docs"
        )
    write_text(PAGE, page())
