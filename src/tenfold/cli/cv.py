"""`tenfold cv`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.cli import _training as options
from tenfold.data import ReadOptions
from tenfold.errors import UsageError

Folds = Annotated[int | None, typer.Option(help="Number of folds; default: 5.", min=2)]


@read.options()
def cv(
    recipe: options.Recipe = "quick",
    folds: Folds = None,
    train: options.Train = None,
    out: options.Out = Path("runs"),
    resume: options.Resume = None,
    overrides: options.Override = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    address: options.Address = None,
    insecure: options.Insecure = False,
    portable_isa: options.PortableIsa = None,
    track: options.Track = None,
    allow_inexact_resume: options.Inexact = False,
    *,
    reading: ReadOptions,
) -> None:
    """Cross-validate a recipe: predict every training row by members that never saw it."""
    from tenfold import api
    from tenfold.cli._fetching import fetch_missing

    began = time.monotonic()
    progress = not _console.settings.quiet
    how: dict[str, Any] = {
        "options": reading,
        "executor": executor,
        "workers": workers,
        "device": device,
        "progress": progress,
    }
    how["track"] = track or []
    if resume is not None:
        if train or overrides or folds:
            raise UsageError(
                "--resume goes on with a cross-validation as it was begun; leave out --folds, --train and --set"
            )
        options.check_command(resume, "cv")
        run = api.resume(resume, allow_inexact=allow_inexact_resume, **how)
    else:
        loaded = api.load_recipe(recipe, overrides or [])
        fetch_missing(train or loaded.data.train, None)
        run = api.cross_validate(loaded, folds=folds or 5, train=train, out=out, **how)
    options.print_result(run, time.monotonic() - began)
