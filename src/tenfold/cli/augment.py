"""`tenfold augment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli import _console
from tenfold.cli import _training as options
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tenfold.values.dataset import Dataset

COLUMNS = 10
SMALLEST_SIDE = 56
"""Dots; smaller images are enlarged by a whole factor until a person sees their pixels."""


def augment(
    image: Annotated[
        str, typer.Argument(help="An image file, or the id of an image in the source.", metavar="IMAGE|ID")
    ],
    recipe: Annotated[
        str, typer.Option(help="A recipe file or name: its augmentation is shown.", metavar="RECIPE")
    ] = "quick",
    source: Annotated[
        str | None,
        typer.Option(help="Where the id is looked up; default: the recipe's training data.", metavar="SOURCE"),
    ] = None,
    overrides: options.Override = None,
    count: Annotated[int, typer.Option(help="Variants to draw.", min=1, max=10_000)] = 50,
    seed: Annotated[int | None, typer.Option(help="Other draws; default: the recipe's seed.", min=0)] = None,
    out: Annotated[Path, typer.Option(help="The picture to write.", metavar="FILE.png")] = Path("preview.png"),
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.png if it exists.")] = False,
) -> None:
    """Draw a grid of variants of one image as training would see them."""
    from tenfold.api import load_recipe
    from tenfold.files import write_bytes
    from tenfold.runtime import require_training

    require_training()
    loaded = load_recipe(recipe, overrides or [])
    if not loaded.augment:
        raise UsageError(f"the recipe {loaded.name!r} does not augment; choose another with --recipe")
    pixels = _pixels(image, source or loaded.data.train)

    from tenfold.report.previews import variants
    from tenfold.values.display import grid, png, shown_size

    drawn = variants(pixels, loaded.augment, loaded.seed if seed is None else seed, count)
    enlarge = max(1, SMALLEST_SIDE // max(shown_size(pixels.shape)))
    write_bytes(out, png(grid(drawn, min(count, COLUMNS)), enlarge), overwrite=force)
    _console.say(f"{count:,} variants in {out}")


def _pixels(image: str, source: str) -> NDArray[np.uint8]:
    from tenfold.data.load import load, load_image

    if Path(image).is_file():
        return load_image(Path(image))

    from tenfold.cli._fetching import fetch_missing

    fetch_missing(source)
    data = load(source)
    return data.images[_row(image, data, source)]


def _row(identity: str, data: Dataset, source: str) -> int:
    known = [str(i) for i in data.ids.tolist()]
    if identity not in known:
        raise UsageError(
            f"{printable(identity)} is neither an image file nor an id in {printable(source)}, "
            f"which has {len(known):,} images with ids such as {printable(known[0])} and {printable(known[-1])}"
        )
    return known.index(identity)
