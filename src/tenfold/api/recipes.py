"""Recipes: find them, see what their augmentation does, and how fast they are here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Option, Overrides, RecipeLike, Source, insist_on_free, read_source
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tenfold.values.dataset import Dataset
    from tenfold.values.recipe import Recipe

SMALLEST_SIDE = 56
"""Dots; smaller images are enlarged by a whole factor until a person sees their pixels."""
COLUMNS = 10


@dataclass(frozen=True)
class RecipeEntry:
    """A recipe that comes with tenfold, as its head describes it.

    Attributes:
        name: what commands call it.
        claim: what it is good for, in a line.
        accuracy: share of images that it gets right, as its file says; None if it does not.
        core_seconds: that its training takes; None if it was not measured.
        path: its file.
        released: the bundles that it trained and that commands know by these names.
    """

    name: str
    claim: str
    accuracy: float | None
    core_seconds: float | None
    path: Path
    released: tuple[str, ...] = ()


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from its file, or by the name of one that comes with tenfold, with overrides applied.

    Raises:
        UsageError: no such recipe, an unknown key, a wrong type.

    Example:
        >>> from tenfold import load_recipe
        >>> load_recipe("quick", ["train.epochs=5"]).train.epochs
        5
    """
    from tenfold.values import recipe as recipes

    return recipes.load_recipe(recipes.find_recipe(str(name)), overrides)


SECTIONS = ("train", "ensemble", "data")
"""Tables of a recipe whose keys are parameters, besides ``model``."""


def keys_named(name: str, recipe: Recipe) -> list[str]:
    """The recipe's keys, as overrides have them, that a parameter ``name`` means.

    Raises:
        ValueError: none.
    """
    from tenfold.models import MODELS

    models = [set(signature(MODELS.get(one.kind)).parameters) - {"image_shape", "classes"} for one in recipe.model]
    tables = {section: set(type(getattr(recipe, section)).model_fields) for section in SECTIONS}
    section, _, key = name.partition("__")
    if name == "seed" or (section in tables and key.partition("__")[0] in tables[section]):
        return [name.replace("__", ".")]
    if section in ("model", "augment") and key:
        number, _, of_one = key.partition("__")
        if number.isdecimal() or section == "augment":
            return [name.replace("__", ".")]
        name = key if not of_one else name
    if places := [place for place, keys in enumerate(models) if name in keys]:
        return [f"model.{place}.{name}" for place in places]
    for section, keys in tables.items():
        if name in keys:
            return [f"{section}.{name}"]
    known = sorted({"seed"}.union(*models, *tables.values()))
    close = get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are: {', '.join(known)}"
    raise ValueError(f"Invalid parameter {name!r} for Classifier with the recipe {recipe.name!r}; {hint}")


def all_keys(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Every key of ``recipe`` that is a parameter, with its value."""
    yield "seed", recipe.seed
    for section in SECTIONS:
        for key, value in getattr(recipe, section).model_dump(mode="json").items():
            yield f"{section}__{key}", value
    for number, model in enumerate(recipe.model):
        place = "model" if len(recipe.model) == 1 else f"model__{number}"
        for key, value in model.settings.items():
            yield f"{place}__{key}", value


def recipes(*, source: Annotated[Source | None, Option("--for", "SOURCE")] = None) -> list[RecipeEntry]:
    """The recipes that come with tenfold, with accuracy, core-seconds and a line; first those with a measured accuracy.

    Args:
        source: training data: recipes whose accuracy with so many rows is known, by what is to be expected of them;
            core-seconds are those of this machine.

    Raises:
        UsageError: the data has no labels.
        DataError: what is wrong with it, by file, row and column.

    Example:
        >>> import tenfold
        >>> "quick" in [entry.name for entry in tenfold.recipes()]
        True
    """
    from tenfold.bundle.manifest import releases
    from tenfold.values.recipe import find_recipe, load_recipe, recipe_names, recipe_text

    found = []
    for name in recipe_names():
        path = find_recipe(name)
        recipe = load_recipe(path)
        head = recipe_text(path).partition("\nname")[0].replace("\n# ", " ")
        accuracy = recipe.expected.get("test_accuracy") or _first(r"\b(0\.\d{4})\b", head)
        seconds = recipe.expected.get("core_seconds") or _first(r"([\d,]*\d) core-seconds", head)
        figures = (None if figure is None else float(figure) for figure in (accuracy, seconds))
        bundles = tuple(one for one in releases() if one.rpartition("/")[2] == name)
        found.append(RecipeEntry(name, recipe.claim, next(figures), next(figures), path, bundles))
    if source is not None:
        found = _expected_on(read_source(source), found)
    return sorted(found, key=lambda entry: (entry.name.startswith("notebook/"), -(entry.accuracy or 0), entry.name))


def _expected_on(train: Dataset, entries: Sequence[RecipeEntry]) -> list[RecipeEntry]:
    """Of these recipes, those of which something is known on the training set ``train``, the notebook's apart."""
    from tenfold.runtime import require_training
    from tenfold.speed.expected import expect
    from tenfold.training.ensemble import check_recipe

    require_training()
    found = []
    for entry in entries:
        if entry.name.startswith("notebook/"):
            continue
        recipe = load_recipe(entry.name)
        try:
            expected = expect(recipe, train)
            check_recipe(expected.recipe, train)
        except UsageError:
            if recipe.name == "quick":
                raise
            continue  # it is written for images of another size
        if expected.accuracy is not None or "layers" in recipe.fit:
            found.append(replace(entry, accuracy=expected.accuracy, core_seconds=expected.core_seconds))
    return found


def _first(pattern: str, head: str) -> str | None:
    """The first figure of its kind in a recipe's head."""
    match = re.search(pattern, head)
    return match[1].replace(",", "") if match else None


def augment(
    image: Annotated[str | Path, Option(metavar="IMAGE|ID")],
    *,
    recipe: RecipeLike = "quick",
    source: Source | None = None,
    overrides: Overrides = (),
    count: Annotated[int, Option(low=1, high=10_000)] = 50,
    seed: Annotated[int | None, Option(low=0)] = None,
    out: Annotated[str | Path | None, Option(metavar="FILE.png")] = None,
    replace: bool = True,
) -> NDArray[np.uint8]:
    """Draw a grid of variants of one image as training would see them.

    Args:
        image: an image file, or the id of an image in the source.
        recipe: a recipe file or name: its augmentation is shown.
        source: where the id is looked up; default: the recipe's training data.
        overrides: override a recipe key; may be repeated.
        count: variants to draw.
        seed: other draws; default: the recipe's seed.
        out: the picture to write.
        replace: replace the picture if it exists.

    Returns:
        The variants, uint8 (count, C, H, W).

    Raises:
        UsageError: the recipe does not augment, or there is no such image.
        ResourceError: a package is missing, or the picture cannot be written.

    Example:
        >>> import tenfold
        >>> tenfold.augment("photo.png", count=3).shape
        (3, 1, 84, 84)
    """
    from tenfold.report.sprites import variants
    from tenfold.runtime import require_training
    from tenfold.values.display import grid, png, shown_size
    from tenfold.values.recipe import Recipe

    require_training()
    loaded = recipe.overridden(overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    if not loaded.augment:
        raise UsageError(f"the recipe {loaded.name!r} does not augment; choose another with --recipe")
    insist_on_free(replace, out)
    pixels = _pixels(image, source or loaded.data.train)
    drawn = variants(pixels, loaded.augment, loaded.seed if seed is None else seed, count)
    if out is not None:
        from tenfold.files import write_bytes

        enlarge = max(1, SMALLEST_SIDE // max(shown_size(pixels.shape)))
        write_bytes(Path(out), png(grid(drawn, min(count, COLUMNS)), enlarge), overwrite=replace)
    return drawn


def _pixels(image: str | Path, source: Source) -> NDArray[np.uint8]:
    from tenfold.data.images import load_image

    if Path(image).is_file():
        return load_image(Path(image))
    data = read_source(source)
    known, identity = [str(i) for i in data.ids.tolist()], str(image)
    if identity not in known:
        raise UsageError(
            f"{printable(identity)} is neither an image file nor an id in {printable(source)}, "
            f"which has {len(known):,} images with ids such as {printable(known[0])} and {printable(known[-1])}"
        )
    return data.images[known.index(identity)]


def bench(
    recipe: RecipeLike = "quick",
    *,
    overrides: Overrides = (),
    seconds: Annotated[float, Option(low=1)] = 20.0,
    batch: Annotated[int | None, Option(low=2)] = None,
    shape: tuple[int, int, int] = (1, 28, 28),
    members_scaling: bool = False,
) -> dict[str, Any]:
    """Measure how fast a recipe's first member trains and predicts here, beside the core's matrix-product rate.

    Args:
        recipe: a recipe file, or the name of one that comes with tenfold.
        overrides: override a recipe key; may be repeated.
        seconds: how long to measure, about.
        batch: images in a training step; default: the recipe's.
        shape: size of an image: HxW or CxHxW.
        members_scaling: compare two training processes with one instead.

    Returns:
        The figures by name: images a second, GFLOP/s and the share of the matrix product's of training and
        prediction; seconds of each part of a training step.

    Raises:
        ResourceError: torch is missing.

    Example:
        >>> import tenfold
        >>> tiny = ["model.layers=4C3S2 FLAT SOFTMAX"]
        >>> tenfold.bench("quick", overrides=tiny, seconds=1, batch=8)["recipe"]
        'quick'
    """
    from tenfold.runtime import require_training
    from tenfold.speed.rates import scaling, speed
    from tenfold.values.recipe import Recipe

    require_training()
    loaded = recipe.overridden(overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    measure = scaling if members_scaling else speed
    return measure(loaded, image_shape=shape, batch=batch, seconds=seconds)
