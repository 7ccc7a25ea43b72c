"""Train: start a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from tenfold.api.shared import Minutes, RecipeLike, Source, Sources, Training, heard_by, prepared, settings_of, sharing

if TYPE_CHECKING:
    from tenfold.pipeline import Settings, Stages
    from tenfold.values.recipe import Recipe
    from tenfold.values.run import Run

DEFAULT_RECIPE = "quick"
CANDIDATES = ("svm-fast", "fast", "best")
"""What is chosen from besides, where no recipe is named."""


@sharing(Training)
def run(
    recipe: RecipeLike | None = None,
    *,
    train: Sources | None = None,
    test: Source | None = None,
    explore: bool = False,
    strict: bool = False,
    minutes: Minutes | None = None,
    estimate: bool = True,
    **given: Unpack[Training],
) -> Run:
    """Train, predict the test set, and write the report, the submission and the model bundle.

    Args:
        recipe: a recipe file, or the name of one that comes with tenfold; default: quick, or, for data of your own,
            what is most accurate with so many rows and takes no longer.
        train: training data: a path or a data set's name, or several of them; default: the recipe's own.
        test: test data, with or without labels. With training data and no test data given, there is no test set.
        explore: write a page about the data, too; it takes a minute or more.
        strict: train on nothing that the checks of the data warn of: exit code 3.
        minutes: how long the training may take, about: chooses the epochs and, without a recipe, the recipe.
        estimate: where every row trains and no test set has labels: judge the recipe by a cross-validation of it in the
            same folder, or train it once more with a fifth of the rows held out.

    Returns:
        The complete run.

    Raises:
        TenfoldError: what is wrong with the recipe, the data or the machine, and what to do.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> short = ["train.epochs=1"]
        >>> finished = tenfold.run("quick", train="train.csv", test="test.csv", overrides=short, progress=False)
        >>> finished.predictions("test").labels is None, (finished.path / "submission.csv").is_file()
        (True, True)
    """
    settings = settings_of(given, explore=explore, strict=strict, minutes=minutes)
    settings = replace(settings, estimate=settings.out if estimate else None)
    return _start(recipe, "run", settings, train, test, given)


@sharing(Training)
def train(
    recipe: RecipeLike | None = None,
    *,
    train: Sources | None = None,
    strict: bool = False,
    minutes: Minutes | None = None,
    **given: Unpack[Training],
) -> Run:
    """Train a recipe's members and write the model bundle: no test set, no submission, no report.

    Args:
        recipe: a recipe file, or the name of one that comes with tenfold; default: quick, or, for data of your own,
            what is most accurate with so many rows and takes no longer.
        train: training data: a path or a data set's name, or several of them; default: the recipe's own.
        strict: train on nothing that the checks of the data warn of: exit code 3.
        minutes: how long the training may take, about: chooses the epochs and, without a recipe, the recipe.

    Returns:
        The complete run.

    Raises:
        TenfoldError: what is wrong with the recipe, the data or the machine, and what to do.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> finished = tenfold.train("quick", train="train.csv", overrides=["train.epochs=1"], progress=False)
        >>> finished.is_complete, finished.has_predictions("validation")
        (True, True)
    """
    return _start(recipe, "train", settings_of(given, strict=strict, minutes=minutes), train, None, given)


def _start(
    recipe: RecipeLike | None,
    stages: Stages,
    settings: Settings,
    train: Sources | None,
    test: Source | None,
    given: Training,
) -> Run:
    from tenfold import pipeline

    overrides = given.get("overrides", ())
    loaded, datasets = prepared(DEFAULT_RECIPE if recipe is None else recipe, train, test, overrides, settings.options)
    if stages == "train":
        loaded = _without_test(loaded)
    # who sets a key that decides the training means the default recipe, and the claims of quick are about its own data
    by_hand = any(not override.startswith(("seed", "data.")) for override in overrides)
    if recipe is None and train is not None and not by_hand:
        held = any(override.startswith("data.validation") for override in overrides)
        others = [prepared(name, train, test, overrides, settings.options)[0] for name in CANDIDATES]
        if stages == "train":
            others = [_without_test(other) for other in others]
        settings = replace(settings, candidates=(loaded, *(other if held else _held_out(other) for other in others)))
    listener = heard_by(given, settings.out)
    return pipeline.start(loaded, stages, settings, listener, train=datasets.get("train"), test=datasets.get("test"))


def _without_test(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"test": None})})


def _held_out(recipe: Recipe) -> Recipe:
    """A recipe that is chosen for its user holds rows out, so that its report has a figure."""
    validation = recipe.data.validation or 0.05
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": validation})})
