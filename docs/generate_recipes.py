"""Write docs/recipes.md: every recipe that comes along, with its claim and the command that checks it.

Run it with ``make docs``; ``--check`` only says whether the file is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tenfold.files import write_text
from tenfold.values.recipe import FOLDER, Recipe, load_recipe, recipe_names

PAGE = Path(__file__).with_name("recipes.md")
HEADER = """\
# Recipes

Written by `make docs` from the recipes that come with tenfold. `tenfold run NAME` trains one; `--set KEY=VALUE` changes a
key for one run; [Training](training.md) explains every key. What stands before a recipe is its own first comment.
"""


def page() -> str:
    """The text of docs/recipes.md."""
    names = recipe_names()
    own = [name for name in names if "/" not in name]
    notebook = [name for name in names if "/" in name]
    sections = [HEADER, *(section(name) for name in own)]
    if notebook:
        sections += ["## As the notebook has it\n", "| recipe | claim | layers or model |", "|---|---|---|"]
        sections += [row(name) for name in notebook]
    return "\n".join(sections).rstrip("\n") + "\n"


def section(name: str) -> str:
    """Heading, first comment and the heart of a recipe."""
    recipe = load_recipe(FOLDER / f"{name}.toml")
    lines = [f"## {name}", "", comment(name), ""]
    lines += [f"* {described(recipe, member)}" for member in range(len(recipe.model))]
    train = recipe.train
    lines.append(
        f"* {recipe.ensemble.members} x {train.epochs} epochs, {train.optimizer}, batches of {train.batch_size}"
    )
    lines += [f"* expected {key.replace('_', ' ')}: {value}" for key, value in recipe.expected.items()]
    return "\n".join(lines) + "\n"


def row(name: str) -> str:
    """A line of the table of the notebook's recipes."""
    recipe = load_recipe(FOLDER / f"{name}.toml")
    return f"| `{name}` | {recipe.claim.replace('|', ' ')} | {described(recipe, 0)} |"


def described(recipe: Recipe, table: int) -> str:
    """The model of one table: its layers, or its kind and settings."""
    model = recipe.model[table]
    if "layers" in model.settings:
        return f"`{model.settings['layers']}`"
    return " ".join([model.kind, *(f"{key}={value}" for key, value in model.settings.items())])


def comment(name: str) -> str:
    """The comment that a recipe begins with, as one paragraph."""
    lines = (FOLDER / f"{name}.toml").read_text("utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(
            None
            if PAGE.is_file() and PAGE.read_text("utf-8") == page()
            else f"{PAGE} is not up to date; run: make docs"
        )
    write_text(PAGE, page())
