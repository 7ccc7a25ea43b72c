"""Write the generated pages of docs/ and the tables of figures: each from its one source.

Run it with ``make docs``. ``--check`` writes nothing and fails when a page is not what would be written; names such as
``recipes.md`` choose pages. The sources: help texts (commands.md), recipes (recipes.md), public names (api.md),
tests/cases.toml (reliability.md), lab/benchmarks/logs (what stands between ``<!-- figures -->`` marks).
"""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# before typer is imported: it looks once
os.environ |= {
    "TERMINAL_WIDTH": "100",
    "COLUMNS": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "_TYPER_FORCE_DISABLE_TERMINAL": "1",
}
os.environ.pop("FORCE_COLOR", None)
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import typer

import _cases
import tenfold
from tenfold.cli import build_app
from tenfold.files import write_text
from tenfold.values.accuracy import wilson_interval
from tenfold.values.recipe import Recipe, find_recipe, load_recipe, recipe_names

DOCS = Path(__file__).parent
LOGS = ROOT / "lab" / "benchmarks" / "logs"
SCORES = LOGS.parent / "kaggle-scores.jsonl"
"""No log: errors on rows whose labels no training saw, as those who scored the submissions told them."""
RECIPES = """\
# Recipes

Written by `make docs` from the recipes that come with tenfold. `tenfold run NAME` trains one; `--set KEY=VALUE` changes a
key for one run; [Training](training.md) explains every key. What stands before a recipe is its own first comment.
"""

COMMANDS = """\
# Commands

Written by `make docs` from the help texts. Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 bad
input data, 4 the machine refuses (disk full, permission, memory, a missing package), 5 the run
directory is in use, 6 a hash or version does not match, 130 and 143 stopped and resumable.
"""

API = """\
# The Python API

Written by `make docs`. Everything here is imported from `tenfold` itself - `tenfold.load`, `tenfold.Run` - and nothing heavy is
loaded before it is used. Shape letters: N images, C channels, H x W pixels, K classes, B batch.
"""

RELIABILITY = """\
# Reliability: what must hold, and which test says so

Written by `make docs` from `tests/cases.toml` and the names of the tests below `tests/`. `make test` and `make
test-all` end with a table of these cases: passed, failed, skipped and why, not run.
[Threats](threats.md) looks at the same from an attacker's side; the promises stand in the
[README](../README.md) and in [Security](../SECURITY.md).

Not promised: equal bits across releases of torch, instruction sets, numbers of threads, or between
GPU and CPU; equal bits of a probability across batch sizes; safety from whoever can write to your
files; survival of power cuts on file systems that ignore fsync.

## How hard the tests look

Every branch of the atomic writer, the manifest, the input checks and the limits is run by a test (G04). Whether a test
would also notice a wrong one is asked by `make mutants`: it changes one constant, operator, argument or word at a time
and runs the tests of that module alone. Changes that change nothing are left out by the rules at the top of
`tests/mutants.py`; the words of messages do count. Of all 1,681 changes, so far samples
were tried, of 20 changes a module, drawn by chance (`make mutants MUTANTS="bundle.manifest --sample 20"`):

| module | changes | tried | noticed |
|---|---|---|---|
| `atomic` | 236 | 20, others | 19 |
| `bundle.inspection` | 134 | 20 | 20 |
| `bundle.manifest` | 47 | 20 | 20 |
| `data.files` | 347 | 20, others | 19 |
| `data.sources._csv_fault` | 479 | 20 | 19 |
| `data.sources._csv_header` | 475 | 20 | 19 |

That is 116 of 120, 97 %. A first draw (`--seed 0`) had found 109: 17 of `atomic` and 14 of `data.files`, which led to
tests and to rules where nothing changes; those two were drawn anew (`--seed 1`). Of the two that nobody noticed in them
one changes nothing, the other a message that another one replaces.
"""


def recipes_page() -> str:
    """The text of docs/recipes.md."""
    names = recipe_names()
    own = [name for name in names if "/" not in name]
    notebook = [name for name in names if "/" in name]
    sections = [RECIPES, *(section(name) for name in own)]
    if notebook:
        sections += ["## As the notebook has it\n", "| recipe | claim | layers or model |", "|---|---|---|"]
        sections += [row(name) for name in notebook]
    return "\n".join(sections).rstrip("\n") + "\n"


def section(name: str) -> str:
    """Heading, first comment and the heart of a recipe."""
    recipe = load_recipe(find_recipe(name))
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
    recipe = load_recipe(find_recipe(name))
    return f"| `{name}` | {recipe.claim.replace('|', ' ')} | {described(recipe, 0)} |"


def described(recipe: Recipe, table: int) -> str:
    """The model of one table: its layers, or its kind and settings."""
    model = recipe.model[table]
    if "layers" in model.settings:
        return f"`{model.settings['layers']}`"
    return " ".join([model.kind, *(f"{key}={value}" for key, value in model.settings.items())])


def comment(name: str) -> str:
    """The comment that a recipe begins with, as one paragraph."""
    lines = find_recipe(name).read_text("utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and sub-command: ``("data", "fetch")``."""

    def below(group: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in sorted(getattr(group, "commands", {}).items()):
            yield (*words, name)
            yield from below(command, (*words, name))

    yield from below(typer.main.get_command(build_app()), ())


def commands_page() -> str:
    """The text of docs/commands.md."""
    sections = [COMMANDS, _section(())]
    sections += [_section(words) for words in commands()]
    return "\n".join(sections)


def _section(words: tuple[str, ...]) -> str:
    name = " ".join(("tenfold", *words))
    return f"{'#' * (2 + len(words[1:]))} {name}\n\n```console\n$ {name} --help\n{_help(words)}\n```\n"


def _help(words: tuple[str, ...]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(typer.Exit):
        build_app()(args=[*words, "--help"], prog_name="tenfold", standalone_mode=False)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def api_page() -> str:
    """The text of docs/api.md."""
    functions = sorted(name for name in tenfold._HOMES if name[0].islower())
    classes = sorted(name for name in tenfold._HOMES if name[0].isupper())
    sections = [API, "## Functions\n", *map(entry, functions), "## Classes\n", *map(entry, classes)]
    return "\n".join(sections)


def entry(name: str) -> str:
    """What mkdocstrings replaces by signature and docstring."""
    return f"::: {tenfold._HOMES[name]}.{name}\n"


def reliability_page() -> str:
    """The text of docs/reliability.md."""
    sections = [RELIABILITY]
    for group in _cases.groups().values():
        rows = [f"| {case} | {sentence} | {_tests(case)} |" for case, sentence in group.sentences.items()]
        sections.append(
            "\n".join([f"## {group.title}\n", "| case | what holds | tests |", "|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(sections)


def _tests(case: str) -> str:
    files = _cases.tested_in().get(case)
    if files is None:
        return f"none: {_cases.untested().get(case, 'not yet')}"
    return ", ".join(f"`{file.removesuffix('.py')}`" for file in files)


def kaggle_table() -> str:
    """What recipes reach on Kaggle's 28,000 test rows, as others who know the labels have told."""
    lines = [json.loads(line) for line in SCORES.read_text("utf-8").splitlines()]
    table = ["| recipe | errors of 28,000 | accuracy, 95 % interval | core-seconds |", "|---|---|---|---|"]
    for line in lines:
        rows, errors = line["rows"], line["errors"]
        intervals = ((1 - wrong / rows, *wilson_interval(rows - wrong, rows)) for wrong in errors)
        accuracies = ", ".join(f"{share:.5f} ({low:.4f} to {high:.4f})" for share, low, high in intervals)
        seconds = f"{line['core_seconds']:,}" if "core_seconds" in line else "not recorded"
        table.append(f"| `{line['recipe']}` | {' and '.join(map(str, errors))} | {accuracies} | {seconds} |")
    return "\n".join(table)


def teach_table() -> str:
    """What few images of a new hand bring, and what the old test set loses."""
    lines = [json.loads(line) for line in (LOGS / "teach.jsonl").read_text("utf-8").splitlines()]
    counts = [key for key in lines[0] if key.isdecimal()]
    table = [f"| hand | before | {' | '.join(counts)} |", f"|{'---|' * (len(counts) + 2)}"]
    table += [
        f"| {line['hand']} | {line['before']:.4f} | {' | '.join(f'{line[count]:.4f}' for count in counts)} |"
        for line in lines
    ]
    lost = [sum(line[f"old {count}"] for line in lines) / len(lines) for count in counts]
    table.append(f"| old images, mean change | | {' | '.join(f'{one:+.4f}' for one in lost)} |")
    return "\n".join(table)


FIGURES = {"kaggle": kaggle_table, "teach": teach_table}
MARKED = re.compile(r"(<!-- figures: (\w+) -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)


def with_figures(text: str) -> str:
    """``text`` with its tables of figures as the logs have them."""
    return MARKED.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}\n{found[4]}", text)


def pages() -> dict[Path, str]:
    """Every page that is generated, whole or in part, as it should be."""
    whole = {
        DOCS / "commands.md": commands_page(),
        DOCS / "recipes.md": recipes_page(),
        DOCS / "api.md": api_page(),
        DOCS / "reliability.md": reliability_page(),
    }
    marked = (path for path in [ROOT / "README.md", *DOCS.rglob("*.md")] if path not in whole)
    return whole | {path: with_figures(text) for path in marked if MARKED.search(text := path.read_text("utf-8"))}


def main(arguments: list[str]) -> None:
    """Write or check the pages that are named, or all."""
    names = [argument for argument in arguments if not argument.startswith("-")]
    wanted = {path: text for path, text in pages().items() if not names or path.name in names}
    old = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        sys.exit("; ".join(f"{path.name} is not up to date" for path in old) + "; run: make docs" if old else None)
    for path in old:
        write_text(path, wanted[path])


if __name__ == "__main__":
    main(sys.argv[1:])
