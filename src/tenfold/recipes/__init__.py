"""The recipes that come with tenfold, found by name."""

from __future__ import annotations

from pathlib import Path

from tenfold.errors import UsageError

FOLDER = Path(__file__).resolve().parent


def recipe_names() -> list[str]:
    """Names of all recipes here, such as "quick" and "notebook/svm"."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.toml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path that exists, or the name of one that comes with tenfold.

    Raises:
        UsageError: neither; the message lists the names.
    """
    if Path(name).is_file():
        return Path(name)
    inside = name.removeprefix("recipes/").removesuffix(".toml")
    if inside in recipe_names():
        return FOLDER / f"{inside}.toml"
    raise UsageError(f"no recipe {name!r}: found neither a file of that name nor one of tenfold's: {', '.join(recipe_names())}")
