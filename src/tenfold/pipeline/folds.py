"""Cross-validation: every row is predicted by members that never saw it, nor a copy of it.

A fold is a run like any other below ``folds/NN`` of its parent: it trains on the rows of the other folds
and meets its own rows only as unlabelled images to predict, so that nothing - early stopping, the choice of
an epoch - can lean on them. What a recipe holds out for such choices (``data.validation``) is taken from the
rows that train.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data.cache import stored
from tenfold.data.splits import duplicate_groups, stratified_folds
from tenfold.errors import IntegrityError
from tenfold.files import make_directory
from tenfold.training.ensemble import combine, hold_out, save_split, used_rows
from tenfold.training.state import derive
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

Rows = NDArray[np.int64]
_FOLDERS = "checkpoints/images"
"""Where the images that folds predict are stored while they train."""


@dataclass(frozen=True, eq=False)
class Fold:
    """The rows of one fold, each int64 and sorted.

    Attributes:
        train: rows that its members learn from.
        held: rows held out of these, for early stopping and the like.
        out: the fold's own rows, which its members predict and never saw.
        seen: a sample of ``train``, as large as a fold, to predict beside ``out``: the gap is what overfitting costs.
    """

    train: Rows
    held: Rows
    out: Rows
    seen: Rows


def make_folds(recipe: Recipe, train: Dataset, count: int) -> list[Fold]:
    """Deal the rows that the recipe uses: stratified, exact copies of an image in one fold, a function of the seed
    alone.

    Raises:
        UsageError: ``count`` is less than 2, or more than there are different images.
    """
    rows = used_rows(recipe, train)
    groups = duplicate_groups(train.images[rows])
    dealt = [rows[some] for some in stratified_folds(train.truth[rows], count, derive(recipe.seed, "folds"), groups)]
    folds = []
    for number, out in enumerate(dealt):
        learn, held = hold_out(recipe_of(recipe, number), train, np.setdiff1d(rows, out))
        folds.append(Fold(learn, held, out, np.intersect1d(dealt[(number + 1) % count], learn)))
    return folds


def recipe_of(recipe: Recipe, fold: int) -> Recipe:
    """The recipe of one fold: another seed each, so that their scatter shows all that chance does."""
    data = recipe.data.model_copy(update={"limit": None, "test": None, "holdout": 0, "folds": 0})
    return recipe.model_copy(update={"seed": derive(recipe.seed, "fold", fold), "data": data, "tune": None})


def write_folds(parent: Run, train: Dataset, count: int, first: int | None = None) -> list[Path]:
    """Make the runs of the folds below ``parent``, or find them, and store the images that each predicts.

    Args:
        parent: with the recipe.
        train: the training set.
        count: number of folds that the rows are dealt into.
        first: make only so many of them.

    Returns:
        the folder of the stored images, without labels, of each fold.
    """
    folders = []
    make_directory(parent.path / "folds")
    for number, fold in enumerate(make_folds(parent.recipe, train, count)[:first]):
        run = Run.at(parent.path / "folds" / f"{number:02d}", recipe_of(parent.recipe, number))
        save_split(run, fold.train, fold.held, out=fold.out, seen=fold.seen)
        asked = train.take(np.concatenate([fold.out, fold.seen])).without_labels()
        folders.append(stored(asked, make_directory(parent.path / _FOLDERS) / f"{number:02d}"))
    return folders


def fold_of(run: Run) -> Fold:
    """The rows of a fold, from its directory.

    Raises:
        IntegrityError: the file is missing or damaged.
    """
    try:
        with np.load(run.path / "split.npz", allow_pickle=False) as rows:
            return Fold(rows["train"], rows["held"], rows["out"], rows["seen"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise IntegrityError(f"{run.path / 'split.npz'} does not hold the rows of a fold: {error}") from error


def gather(parent: Run, train: Dataset) -> dict[str, Predictions]:
    """Put the folds' predictions together and write them to ``predictions/``.

    Returns:
        "oof": of every row that the recipe uses, by members that never saw it; "train": of the rows that
        some fold predicted besides, by members that learnt from them. Both in the order of the training set.
    """
    parts: dict[str, list[tuple[Rows, NDArray[np.float32]]]] = {"oof": [], "train": []}
    for run in parent.folds():
        fold, made = fold_of(run), combine(run, "test")
        assert made is not None, run.path
        parts["oof"].append((fold.out, made.probabilities[: len(fold.out)]))
        parts["train"].append((fold.seen, made.probabilities[len(fold.out) :]))
    make_directory(parent.path / "predictions")
    gathered = {}
    for name, some in parts.items():
        rows = np.concatenate([rows for rows, _ in some])
        order = np.argsort(rows, kind="stable")
        probabilities = np.concatenate([probabilities for _, probabilities in some])[order]
        gathered[name] = Predictions(train.ids[rows[order]], probabilities, train.truth[rows[order]])
        gathered[name].save(parent.path / "predictions" / f"{name}.npz")
    return gathered


def used_by(parent: Run) -> Rows:
    """The rows behind the "oof" predictions, in their order."""
    return np.sort(np.concatenate([fold_of(run).out for run in parent.folds()]))
