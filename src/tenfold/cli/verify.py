"""``tenfold verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...", show_default=False)],
) -> None:
    """Compare every file of a run with the SHA-256 in its manifest.

    Leaves with exit code 6 if anything differs, and names it.
    """
    from tenfold.cli._console import say
    from tenfold.errors import IntegrityError
    from tenfold.values.run import Run

    faults = []
    for run in [Run(path) for path in paths]:
        try:
            found = [f"{run.path}: {fault}" for fault in run.verify()]
        except IntegrityError as error:
            found = error.lines()
        if not found:
            say(f"{run.path}: complete, all {len(run.files())} files as recorded")
        faults.extend(found)
    if faults:
        raise IntegrityError("\n".join(faults))
