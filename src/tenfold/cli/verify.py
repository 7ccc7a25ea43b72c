"""``tenfold verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    paths: Annotated[
        list[Path], typer.Argument(help="Run directories or bundles.", metavar="RUN|BUNDLE...", show_default=False)
    ],
) -> None:
    """Compare every file of a run with its recorded SHA-256, look at its weights, and ask its model again.

    Leaves with exit code 6 if anything differs, and names it.
    """
    from tenfold.bundle.verification import verify as look_at
    from tenfold.cli._console import say
    from tenfold.errors import IntegrityError

    faults = []
    for path in paths:
        try:
            found, looked_at = look_at(path)
        except IntegrityError as error:
            faults.extend(error.lines())
            continue
        if not found:
            say(f"{path}: {looked_at}")
        faults.extend(f"{path}: {fault}" for fault in found)
    if faults:
        raise IntegrityError("\n".join(faults))
