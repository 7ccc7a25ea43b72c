"""Whether a recipe reaches what it claims: trains it and compares with the figures under ``[expected]``.

    make claims RECIPE=quick                        # MNIST, fetched or from the cache
    make claims RECIPE=svm-fast TRAIN=train.csv     # Kaggle's table, for the figures out of fold

`test_accuracy` is that of `tenfold run RECIPE`. `accuracy_33600` is that of rows that did not train, of a training with 33,600
rows; from TRAIN so many are drawn, stratified, and the others answer, at most 12,000. A claim fails if it lies above the
95 % interval (Wilson 1927) of the accuracy that was measured: more rows were wrong than chance explains.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import tenfold
from tenfold.data.splits import duplicate_groups, stratified_split
from tenfold.values.accuracy import wilson_interval

MOST_HELD = 12_000


def verdict(claimed: float, right: int, asked: int) -> tuple[bool, str]:
    """(whether ``right`` of ``asked`` images bear the claim out, a line that says so)."""
    low, high = wilson_interval(right, asked)
    holds = claimed <= high
    found = f"claimed {claimed:.4f}, found {right / asked:.4f} ({low:.4f} to {high:.4f}; {asked - right} errors in {asked:,})"
    return holds, f"{'holds' if holds else 'FAILS'}: {found}"


def claims(expected: dict[str, Any]) -> list[tuple[str, int | None, float]]:
    """(key, rows that train or None for the recipe's own sets, accuracy) of each claim of an ``[expected]`` table."""
    found = []
    for key, value in expected.items():
        match = re.fullmatch(r"accuracy_(\d+)", key)
        if match or key == "test_accuracy":
            found.append((key, int(match[1]) if match else None, float(value)))
    return found


def measured(
    recipe: tenfold.Recipe, rows: int | None, train: tenfold.Dataset | None, test: tenfold.Dataset | None
) -> tuple[int, int]:
    """(right, asked) of labelled images that a training of ``recipe`` did not see.

    Args:
        recipe: what is trained.
        rows: how many of ``train`` learn; the others answer. None trains on all of it, and ``test`` answers.
        train: the training set; None is the recipe's own.
        test: the test set; None is the recipe's own.
    """
    if rows is not None:
        assert train is not None and train.labels is not None
        if rows >= len(train):
            raise SystemExit(f"found {len(train):,} rows, expected more than the {rows:,} that the claim trains on")
        groups = duplicate_groups(train.images)
        learn, held = stratified_split(train.labels, 1 - rows / len(train), recipe.seed, groups)
        train, test = train.take(learn), train.take(held[:: -(-len(held) // MOST_HELD)])
    with tempfile.TemporaryDirectory() as out:
        run = tenfold.train(recipe, train=train, out=out, progress=False)
        score = tenfold.evaluate(run, test or str(recipe.data.test)).score
    return score.n - score.errors, score.n


def check(recipe: tenfold.Recipe, train: tenfold.Dataset | None, test: tenfold.Dataset | None = None) -> list[str]:
    """Check each claim of ``recipe`` that ``train`` allows, print a line for each, and return those that fail.

    Raises:
        SystemExit: there is nothing to check.
    """
    failed, checked = [], 0
    for key, rows, claimed in claims(recipe.expected):
        if (rows is None) != (train is None or test is not None):
            print(f"{recipe.name}, {key}: not checked, it is of {'the recipe' if rows is None else 'TRAIN'}'s rows")
            continue
        holds, line = verdict(claimed, *measured(recipe, rows, train, test))
        print(f"{recipe.name}, {key}: {line}", flush=True)
        failed += [] if holds else [key]
        checked += 1
    if not checked:
        raise SystemExit(f"{recipe.name} has nothing under [expected] that can be checked here; see the recipe's head")
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--train", type=Path, metavar="TRAIN", help="a table such as Kaggle's train.csv")
    parser.add_argument(
        "--test", type=Path, metavar="TEST", help="a labelled test set for test_accuracy, instead of the recipe's"
    )
    arguments = parser.parse_args()
    train, test = (None if path is None else tenfold.load(path) for path in (arguments.train, arguments.test))
    failed = check(tenfold.load_recipe(arguments.recipe), train, test)
    sys.exit(f"below what is claimed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
