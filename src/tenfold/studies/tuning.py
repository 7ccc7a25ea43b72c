"""Search through a recipe's ranges, as one calls it from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenfold.api import Source, heard_by, prepared
from tenfold.data import ReadOptions
from tenfold.pipeline import DEFAULTS, Listener, Settings
from tenfold.tracking._listener import tracked
from tenfold.tuning import search
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run


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
    settings = Settings(Path(out), options, executor, workers, device)
    overrides = [*overrides, *([] if trials is None else [f"tune.trials={trials}"])]
    loaded, datasets = prepared(recipe, train, None, overrides)
    listener = tracked(heard_by(progress), track, settings.out)
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
    settings = Settings(DEFAULTS.out, options, executor, workers, device, allow_inexact)
    run = path if isinstance(path, Run) else Run(path)
    return search.resume(run, settings, tracked(heard_by(progress), track, run.path.parent), trials=trials)
