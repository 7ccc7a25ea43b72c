"""`tenfold explore`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import UsageError, printable


class MapChoice(StrEnum):
    """The maps there are besides that of the first two components."""

    TSNE = "tsne"
    UMAP = "umap"
    PACMAP = "pacmap"


@read.options()
def explore(
    source: Annotated[str, typer.Argument(help="A path, or a data set's name.", metavar="SOURCE")],
    test: Annotated[
        str | None, typer.Option(help="Test data, with or without labels, to show beside it.", metavar="SOURCE")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.", metavar="FILE.html")] = Path("explore.html"),
    figures: Annotated[Path | None, typer.Option(help="Write each figure as PNG and SVG, too.", metavar="DIR")] = None,
    maps: Annotated[
        list[MapChoice] | None,
        typer.Option("--map", help="Make this map; may be repeated. t-SNE by default.", metavar="tsne|umap|pacmap"),
    ] = None,
    no_tsne: Annotated[bool, typer.Option("--no-tsne", help="Make no t-SNE map: it takes most of the time.")] = False,
    as_notebook: Annotated[
        bool, typer.Option("--as-notebook", help="t-SNE of 154 components with perplexity 50 in 1,000 rounds.")
    ] = False,
    oof: read.OutOfFold = None,
    role: read.RoleName = "train",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html if it exists.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with exit code 3 on a warning or worse.")] = False,
    *,
    reading: ReadOptions,
) -> None:
    """Write a page about a data set: a map of every image, classes, components, and what is wrong with it."""
    from tenfold.cli._fetching import fetch_missing
    from tenfold.studies.exploring import explore

    chosen = [some.value for some in maps] if maps else [] if no_tsne else ["tsne"]
    if no_tsne and "tsne" in chosen:
        raise UsageError("--map tsne makes a t-SNE map, and --no-tsne makes none; choose one of them")
    if as_notebook and "tsne" not in chosen:
        raise UsageError("--as-notebook is a way to make the t-SNE map, and none is made; choose one of them")
    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder; make it, or choose another place with --out")
    fetch_missing(source, test)
    quiet = _console.settings.quiet
    found = explore(
        source,
        test,
        out=out,
        figures=figures,
        maps=chosen,
        as_notebook=as_notebook,
        oof=oof,
        role=read.role(role),
        options=reading,
        progress=not quiet,
    )
    worth_a_look = [finding for finding in found.findings if finding.severity != "note"]
    for finding in worth_a_look:
        print(f"{finding.severity:<8} {finding.name}: {printable(finding.message)}")
    print(out)
    if figures is not None:
        print(figures)
    if strict and worth_a_look:
        raise typer.Exit(3)
