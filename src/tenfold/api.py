"""Training and exploring as one calls them from Python; the command line calls the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold import pipeline
from tenfold.data.load import load
from tenfold.data.options import ReadOptions, Role
from tenfold.errors import UsageError
from tenfold.evaluation.suspects import suspected_labels
from tenfold.exploration.examine import Exploration, examine
from tenfold.exploration.maps import method
from tenfold.exploration.progress import ProgressLines
from tenfold.pipeline import DEFAULTS, MEMORY, Listener, Reproduction, Settings, Stages
from tenfold.progress import listener_for
from tenfold.recipes import find_recipe
from tenfold.studies.seen import predictions_for
from tenfold.tracking.listener import tracked
from tenfold.values import recipe as recipes
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

if TYPE_CHECKING:
    from tenfold.bundle.loaded import Bundle
    from tenfold.reading.images import Picture
    from tenfold.reading.results import Reading

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
        track: trackers to copy the run to, such as ``["tensorboard"]`` or ``["mlflow=http://127.0.0.1:5000"]``.
        progress: True shows it, False does not, a listener hears it.

    Returns:
        The complete run.

    Raises:
        TenfoldError: what is wrong with the recipe, the data or the machine, and what to do.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> finished = tenfold.run("quick", train="train.csv", test="test.csv", overrides=["train.epochs=1"], progress=False)
        >>> finished.predictions("test").labels is None, (finished.path / "submission.csv").is_file()
        (True, True)
    """
    settings = Settings(Path(out), options, executor, workers, device, explore=explore)
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
    settings = Settings(Path(out), options, executor, workers, device)
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
    listener = tracked(_listener(progress), track, run.path.parent)
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
    return pipeline.reproduce(path if isinstance(path, Run) else Run(path), settings, _listener(progress))


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
    loaded, datasets = _prepared(recipe, train, None, overrides)
    listener = tracked(_listener(progress), track, settings.out)
    return pipeline.cross_validation.cross_validate(loaded, folds, settings, listener, train=datasets.get("train"))


def tune(
    recipe: str | Path | Recipe,
    *,
    trials: int | None = None,
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
    """Search through the ranges in the recipe's ``[tune]`` table; trials are judged by out-of-fold rows.

    Args:
        recipe: as for :func:`run`, with a ``[tune]`` table; its test set plays no part.
        trials: how many; None is as many as the recipe says.
        train: as for :func:`run`, and so are all that follow.
        overrides: likewise.
        out: likewise.
        options: likewise.
        executor: likewise.
        workers: trials at once; None is one a core.
        device: as for :func:`run`.
        track: likewise; the search and every trial are runs of the tracker.
        progress: likewise.

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
    from tenfold.tuning import search

    settings = Settings(Path(out), options, executor, workers, device)
    overrides = [*overrides, *([] if trials is None else [f"tune.trials={trials}"])]
    loaded, datasets = _prepared(recipe, train, None, overrides)
    listener = tracked(_listener(progress), track, settings.out)
    return search.tune(loaded, settings, listener, train=datasets.get("train"))


def resume_tuning(
    path: str | Path | Run,
    *,
    trials: int | None = None,
    options: ReadOptions = DEFAULTS.options,
    executor: str = DEFAULTS.executor,
    workers: int | None = DEFAULTS.workers,
    device: str = DEFAULTS.device,
    allow_inexact: bool = False,
    track: Sequence[str] = (),
    progress: bool | Listener = True,
) -> Run:
    """Go on with an interrupted search; with more ``trials``, a complete one too. Arguments as for :func:`resume`."""
    from tenfold.tuning import search

    settings = Settings(DEFAULTS.out, options, executor, workers, device, allow_inexact)
    run = path if isinstance(path, Run) else Run(path)
    return search.resume(run, settings, tracked(_listener(progress), track, run.path.parent), trials=trials)


def explore(
    data: Source,
    test: Source | None = None,
    *,
    out: str | Path | None = "explore.html",
    figures: str | Path | None = None,
    maps: Sequence[str] = ("tsne",),
    as_notebook: bool = False,
    oof: str | Path | Run | Predictions | None = None,
    role: Role = "train",
    options: ReadOptions = DEFAULTS.options,
    progress: bool = True,
) -> Exploration:
    """Look at a data set from all sides, and write a page about it that opens offline.

    Args:
        data: a path, a data set's name or a dataset.
        test: likewise; compared with ``data`` and shown beside it.
        out: the page; replaced if it is there. None writes none.
        figures: a folder for each figure as PNG and SVG.
        maps: "tsne", "umap" and "pacmap", the first to be shown first; they take most of the time. The first two principal
            components are always a map.
        as_notebook: make the t-SNE map with the notebook's settings, which take several times as long.
        oof: look for wrong labels, too, as :func:`tenfold.review_labels` does with it.
        role: which part of ``data`` to read; "test" needs no labels.
        options: how to read the sources.
        progress: say what is going on.

    Returns:
        Everything on the page, as numbers.

    Raises:
        TenfoldError: what is wrong with the data, the packages or the machine, and what to do.

    Example:
        >>> import tenfold
        >>> found = tenfold.explore("mnist", maps=(), out=None, progress=False)
        >>> found.pca.components.shape, [some.name for some in found.maps]
        ((784, 784), ['PCA'])
    """
    methods = [method(name, as_notebook=as_notebook) for name in dict.fromkeys(maps)]
    for some in methods:
        some.check_installed()
    train = data if isinstance(data, Dataset) else load(data, role, options)
    if test is not None and not isinstance(test, Dataset):
        test = load(test, "test", replace(options, class_names=train.class_names or None))
    if not len(train):
        raise UsageError("there is nothing to explore: the data set has no images")
    suspected = [] if oof is None else [suspected_labels(train, predictions_for(train, oof)).finding()]
    found = examine(train, test, maps=methods, further=suspected, progress=ProgressLines() if progress else None)
    if out is not None:
        from tenfold.report.data_page import write_data_page

        write_data_page(found, Path(out), _title(data))
    if figures is not None:
        from tenfold.report.paper_figures import write_figures

        write_figures(found, Path(figures))
    return found


def read(picture: Picture, bundle: Bundle | str | Path = "builtin", *, threshold: float | None = None) -> Reading:
    """Read all digits in a picture: photo, scan or drawing, of any size, dark on light or light on dark.

    To read many, make one :class:`tenfold.Reader` and use it again.

    Args:
        picture: a path, "-" for standard input, a data URL, an encoded image's bytes, or uint8 pixels (H, W) or (H, W, 3).
        bundle: what recognises digits: a bundle, a run, or the small one that comes with tenfold.
        threshold: reject digits with less confidence; by default what the bundle says.

    Returns:
        Lines of digits with boxes and confidences; ``.text`` is all of it, with "?" for what is no digit.

    Raises:
        DataError: not a picture, too large, or damaged.
        IntegrityError: no such bundle.

    Example:
        >>> import tenfold
        >>> tenfold.read("photo.png").text
        '0'
    """
    from tenfold.reading.reader import Reader

    return Reader(bundle, threshold=threshold).read(picture)


def _title(source: Source) -> str:
    """What a page calls a data set: the last part of its path."""
    return Path(_name(source)).name or str(source)


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
    loaded, datasets = _prepared(recipe, train, test, overrides)
    if stages == "train":
        loaded = loaded.model_copy(update={"data": loaded.data.model_copy(update={"test": None})})
    listener = tracked(_listener(progress), track, settings.out)
    return pipeline.start(loaded, stages, settings, listener, train=datasets.get("train"), test=datasets.get("test"))


def _prepared(
    recipe: str | Path | Recipe, train: Source | None, test: Source | None, overrides: Sequence[str]
) -> tuple[Recipe, dict[str, Dataset]]:
    """The recipe with its sources named, and those of them that are datasets in memory."""
    loaded = recipe.overridden(overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    given = {"train": loaded.data.train, "test": loaded.data.test}
    if train is not None:  # the recipe's own test set belongs to its own training set
        given = {"train": _name(train), "test": None}
    if test is not None:
        given["test"] = _name(test)
    loaded = loaded.model_copy(update={"data": loaded.data.model_copy(update=given)})
    datasets = {name: source for name, source in (("train", train), ("test", test)) if isinstance(source, Dataset)}
    return loaded, datasets


def _name(source: Source) -> str:
    """What a recipe records of a source; a dataset from memory is found again in the cache by its fingerprint."""
    if isinstance(source, Dataset):
        return f"{MEMORY}{source.fingerprint()[:16]}"
    return str(source)


def _listener(progress: bool | Listener) -> Listener:
    return progress if isinstance(progress, Listener) else listener_for(quiet=not progress)
