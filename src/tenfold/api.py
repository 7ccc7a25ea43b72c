"""Training as one calls it from Python; the command line calls the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenfold import pipeline
from tenfold.data import ReadOptions
from tenfold.pipeline import DEFAULTS, MEMORY, Listener, Reproduction, Settings, Stages
from tenfold.progress import listener_for
from tenfold.tracking._listener import tracked
from tenfold.values import recipe as recipes
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, find_recipe
from tenfold.values.run import Run

Source = str | Path | Dataset


def run(
    recipe: str | Path | Recipe = "quick",
    *,
    train: Source | None = None,
    test: Source | None = None,
    overrides: Sequence[str] = (),
    out: str | Path = DEFAULTS.out,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    explore: bool = False,
    strict: bool = False,
    track: Sequence[str] = (),
    progress: bool | Listener = True,
) -> Run:
    """Train, predict the test set, and write the bundle, the submission and the report.

    Args:
        recipe: a recipe, its file, or the name of one that comes with tenfold.
        train: the training set: a path, a data set's name or a dataset; None is the recipe's own.
        test: likewise. With ``train`` given and ``test`` not, there is no test set.
        overrides: keys of the recipe to change, such as ``["train.epochs=3"]``.
        out: the folder in which the run's directory is made.
        options: how to read the sources.
        executor: "processes", "ray" (see docs/scaling.md) or "local".
        workers: members trained at once; None is one a core, or on a cluster all.
        device: "auto", "cpu", "cuda" or "mps".
        explore: write ``explore.html`` about the data, too; see :func:`explore`.
        strict: raise a DataError where the checks of the data have a warning, a leak for one, and train nothing.
        track: trackers to copy the run to, such as ``["tensorboard"]`` or ``["mlflow=http://127.0.0.1:5000"]``.
        progress: True shows it, False does not, a listener hears it.

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
    settings = Settings(Path(out), options, executor, workers, device, explore=explore, strict=strict)
    return _start(recipe, "run", settings, train, test, overrides, track, progress)


def train(
    recipe: str | Path | Recipe = "quick",
    *,
    train: Source | None = None,
    overrides: Sequence[str] = (),
    out: str | Path = DEFAULTS.out,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    strict: bool = False,
    track: Sequence[str] = (),
    progress: bool | Listener = True,
) -> Run:
    """Train and write the bundle; no test set, no submission, no report. Arguments as for :func:`run`.

    Example:
        >>> import tenfold
        >>> finished = tenfold.train("quick", train="train.csv", overrides=["train.epochs=1"], progress=False)
        >>> finished.is_complete, finished.has_predictions("validation")
        (True, True)
    """
    settings = Settings(Path(out), options, executor, workers, device, strict=strict)
    return _start(recipe, "train", settings, train, None, overrides, track, progress)


def resume(
    path: str | Path | Run,
    stages: Stages = "run",
    *,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    allow_inexact: bool = False,
    allow_partial: bool = False,
    explore: bool = False,
    track: Sequence[str] = (),
    progress: bool | Listener = True,
) -> Run:
    """Go on with an interrupted run, cross-validation or search, to the same bits; a complete one is left as it is.

    Args:
        path: the run or its directory.
        stages: "run", or "train" to end with the bundle.
        options: how the sources were read.
        executor: as for :func:`run`.
        workers: as for :func:`run`.
        device: as for :func:`run`.
        allow_inexact: go on even where the bits cannot be the same, and mark the run.
        allow_partial: do without members that are damaged, and say so in everything that is written.
        explore: as for :func:`run`.
        track: as for :func:`run`.
        progress: as for :func:`run`.

    Raises:
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.

    Example:
        >>> import tenfold
        >>> tenfold.resume("runs/RUN", progress=False).is_complete
        True
    """
    settings = Settings(
        DEFAULTS.out, options, executor, workers, device, allow_inexact, allow_partial=allow_partial, explore=explore
    )
    run = path if isinstance(path, Run) else Run(path)
    listener = tracked(heard_by(progress), track, run.path.parent)
    if run.command == "cv":
        return pipeline.cross_validation.resume(run, settings, listener)
    if run.command == "tune":
        from tenfold.tuning import search

        return search.resume(run, settings, listener)
    return pipeline.resume(run, stages, settings, listener)


def reproduce(
    path: str | Path | Run,
    *,
    out: str | Path = DEFAULTS.out,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    allow_inexact: bool = False,
    progress: bool | Listener = True,
) -> Reproduction:
    """Train a run again from its own record, and compare weights, predictions, model and submission bit by bit.

    Args:
        path: a complete run or cross-validation, or its directory.
        out: the folder in which the new run's directory is made.
        options: how the sources were read.
        executor: as for :func:`run`.
        workers: as for :func:`run`.
        device: as for :func:`run`.
        allow_inexact: train even where the bits cannot be the same.
        progress: as for :func:`run`.

    Returns:
        The new run, with the files that are the same and those that differ.

    Raises:
        IntegrityError: the run was changed or is not complete, its data is no longer the same, or this
            machine cannot give the same bits.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> tenfold.reproduce("runs/RUN", progress=False).different
        []
    """
    settings = Settings(Path(out), options, executor, workers, device, allow_inexact)
    return pipeline.reproduce(path if isinstance(path, Run) else Run(path), settings, heard_by(progress))


def cross_validate(
    recipe: str | Path | Recipe = "quick",
    *,
    folds: int = 5,
    train: Source | None = None,
    overrides: Sequence[str] = (),
    out: str | Path = DEFAULTS.out,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    track: Sequence[str] = (),
    progress: bool | Listener = True,
) -> Run:
    """Predict every training row by members that never saw it: folds in turn are left out of the training.

    Folds are stratified and copies of an image share one. Members of all folds are trained in parallel.

    Args:
        recipe: as for :func:`run`; its test set plays no part.
        folds: how many, at least 2.
        train: as for :func:`run`, and so are all that follow.
        overrides: likewise.
        out: likewise.
        options: likewise.
        executor: likewise.
        workers: likewise.
        device: likewise.
        track: likewise.
        progress: likewise.

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
    settings = Settings(Path(out), options, executor, workers, device)
    loaded, datasets = prepared(recipe, train, None, overrides)
    listener = tracked(heard_by(progress), track, settings.out)
    return pipeline.cross_validation.cross_validate(loaded, folds, settings, listener, train=datasets.get("train"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from its file, or by the name of one that comes with tenfold, with overrides applied.

    Raises:
        UsageError: no such recipe, an unknown key, a wrong type.

    Example:
        >>> from tenfold import load_recipe
        >>> load_recipe("quick", ["train.epochs=5"]).train.epochs
        5
    """
    return recipes.load_recipe(find_recipe(str(name)), overrides)


def _start(
    recipe: str | Path | Recipe,
    stages: Stages,
    settings: Settings,
    train: Source | None,
    test: Source | None,
    overrides: Sequence[str],
    track: Sequence[str],
    progress: bool | Listener,
) -> Run:
    loaded, datasets = prepared(recipe, train, test, overrides)
    if stages == "train":
        loaded = loaded.model_copy(update={"data": loaded.data.model_copy(update={"test": None})})
    listener = tracked(heard_by(progress), track, settings.out)
    return pipeline.start(loaded, stages, settings, listener, train=datasets.get("train"), test=datasets.get("test"))


def prepared(
    recipe: str | Path | Recipe, train: Source | None, test: Source | None, overrides: Sequence[str]
) -> tuple[Recipe, dict[str, Dataset]]:
    """The recipe with its sources named, and those of them that are datasets in memory."""
    loaded = recipe.overridden(overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    given = {"train": loaded.data.train, "test": loaded.data.test}
    if train is not None:  # the recipe's own test set belongs to its own training set
        given = {"train": source_name(train), "test": None}
    if test is not None:
        given["test"] = source_name(test)
    loaded = loaded.model_copy(update={"data": loaded.data.model_copy(update=given)})
    datasets = {name: source for name, source in (("train", train), ("test", test)) if isinstance(source, Dataset)}
    return loaded, datasets


def source_name(source: Source) -> str:
    """What a recipe records of a source; a dataset from memory is found again in the cache by its fingerprint."""
    if isinstance(source, Dataset):
        return f"{MEMORY}{source.fingerprint()[:16]}"
    return str(source)


def heard_by(progress: bool | Listener) -> Listener:
    return progress if isinstance(progress, Listener) else listener_for(quiet=not progress)
