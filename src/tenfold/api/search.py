"""Ask more of a recipe: every row predicted by members that never saw it, and the best values of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

from tenfold.api.shared import Count, Option, RecipeLike, Sources, Training, heard_by, prepared, settings_of, sharing

if TYPE_CHECKING:
    from tenfold.values.run import Run


@sharing(Training)
def cross_validate(
    recipe: RecipeLike = "quick",
    *,
    folds: Annotated[int, Option(low=2)] = 5,
    train: Sources | None = None,
    **given: Unpack[Training],
) -> Run:
    """Cross-validate a recipe: predict every training row by members that never saw it.

    Folds are stratified and copies of an image share one. Members of all folds are trained in parallel.

    Args:
        recipe: a recipe file, or the name of one that comes with tenfold; its test set plays no part.
        folds: number of folds.
        train: training data: a path or a data set's name, or several of them; default: the recipe's own.

    Returns:
        The complete run: ``predictions("oof")`` are the out-of-fold predictions, ``summary`` has mean and
        deviation over the folds.

    Raises:
        TenfoldError: what is wrong with the recipe, the data or the machine, and what to do.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> finished = tenfold.cross_validate("quick", folds=2, train="train.csv", progress=False)
        >>> finished.predictions("oof").accuracy  # doctest: +ELLIPSIS
        0...
    """
    from tenfold.pipeline import cross_validation

    settings = settings_of(given)
    loaded, datasets = prepared(recipe, train, None, given.get("overrides", ()), settings.options)
    listener = heard_by(given, settings.out)
    return cross_validation.cross_validate(loaded, folds, settings, listener, train=datasets.get("train"))


@sharing(Training)
def tune(
    recipe: RecipeLike, *, trials: Count | None = None, train: Sources | None = None, **given: Unpack[Training]
) -> Run:
    """Search through the ranges in a recipe's tune table; the best trial becomes a recipe file.

    Trials are judged by out-of-fold rows.

    Args:
        recipe: a recipe file with a table called tune; its test set plays no part.
        trials: trials in all; default: as the recipe says.
        train: training data: a path or a data set's name, or several of them; default: the recipe's own.
        executor: where trials run: processes, ray or local.
        workers: trials at once; default: one a core.
        track: copy the search and every trial to mlflow or tensorboard, too; may be repeated.

    Returns:
        The complete run: ``best.toml`` is the best trial's recipe, ``trials.csv`` has all of them.

    Raises:
        TenfoldError: what is wrong with the recipe, the data or the machine, and what to do.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> found = tenfold.tune("mine.toml", trials=1, train="train.csv", progress=False)
        >>> found.summary["best"]["values"]  # doctest: +ELLIPSIS
        {'train.learning_rate': 0.0...}
    """
    from tenfold.pipeline import search

    settings = settings_of(given)
    asked = [] if trials is None else [f"tune.trials={trials}"]
    loaded, datasets = prepared(recipe, train, None, [*given.get("overrides", ()), *asked], settings.options)
    return search.tune(loaded, settings, heard_by(given, settings.out), train=datasets.get("train"))
