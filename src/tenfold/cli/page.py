"""`tenfold page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenfold.errors import UsageError


def page(
    bundle: Annotated[str, typer.Argument(help="A bundle, or a run that has one.", metavar="[BUNDLE]")] = "builtin",
    out: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE.html")] = Path("demo.html"),
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html if it exists.")] = False,
) -> None:
    """Write the page to draw on as one file that works offline: the network runs in the browser."""
    from tenfold.files import write_text
    from tenfold.service.demo import demo_page

    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    write_text(out, demo_page(bundle), overwrite=force)
    print(out)
