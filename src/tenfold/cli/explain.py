"""`tenfold explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenfold.errors import UsageError, printable


def explain(
    run: Annotated[Path, typer.Argument(help="A run directory.", metavar="RUN")],
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="The id of an image; may be repeated.", metavar="ID")
    ] = None,
    hardest: Annotated[
        int, typer.Option(help="The N images that were hardest for the run, too.", min=0, metavar="N")
    ] = 0,
    on: Annotated[
        str | None, typer.Option(help="test or validation; default: test where the run has one.", metavar="ROWS")
    ] = None,
    member: Annotated[int, typer.Option(help="Which of its networks, counted from 0.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="The page to write.", metavar="FILE.html")] = Path("explained.html"),
    figures: Annotated[Path | None, typer.Option(help="Write each picture as PNG, too.", metavar="DIR")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html if it exists.")] = False,
) -> None:
    """Show what a network looks at in an image: every layer, Grad-CAM, integrated gradients, occlusion."""
    from tenfold.studies.explaining import explain

    if on not in (None, "test", "validation"):
        raise UsageError(f"--on {on}: expected test or validation")
    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    found = explain(run, ids or [], hardest=hardest, on=on, member=member, out=out, figures=figures)  # type: ignore[arg-type]
    for one in found:
        truth = "" if one.label is None else f", truth {one.label}"
        print(f"image {printable(one.id)}: read as {one.predicted} ({one.probabilities.max():.1%}){truth}")
    print(out)
    if figures is not None:
        print(figures)
