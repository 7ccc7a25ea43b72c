"""`tenfold import-log`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_log(
    file: Annotated[
        Path, typer.Argument(help="TOML with tables called experiment, or CSV with a header.", metavar="FILE")
    ],
    runs: Annotated[Path, typer.Option(help="The folder of run directories.", metavar="FOLDER")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="What the log is called; default: the file's name.")] = None,
    validation_images: Annotated[
        int | None,
        typer.Option(help="Images behind its validation accuracies, for their intervals.", min=1, metavar="N"),
    ] = None,
    test_images: Annotated[
        int | None, typer.Option(help="Images behind its test accuracies, for their intervals.", min=1, metavar="N")
    ] = None,
) -> None:
    """Read a hand-written log of experiments into the leaderboard, where its entries are shown as external."""
    from tenfold.studies.logs import import_log

    entries = import_log(file, runs, name=name, validation_images=validation_images, test_images=test_images)
    figures = sum(entry.test_accuracy is not None or entry.validation_accuracy is not None for entry in entries)
    print(f"{len(entries)} entries, {figures} of them with an accuracy; see: tenfold runs {runs}")
