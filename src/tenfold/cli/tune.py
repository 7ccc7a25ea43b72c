"""`tenfold tune`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.cli import _training as options
from tenfold.data import ReadOptions
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.values.run import Run

Tuned = Annotated[str, typer.Argument(help="A recipe file with a table called tune.", metavar="RECIPE.toml")]
Trials = Annotated[int | None, typer.Option(help="Trials in all; default: as the recipe says.", min=1)]


@read.options()
def tune(
    recipe: Tuned = "",
    trials: Trials = None,
    train: options.Train = None,
    out: options.Out = Path("runs"),
    resume: options.Resume = None,
    overrides: options.Override = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    address: options.Address = None,
    insecure: options.Insecure = False,
    track: options.Track = None,
    allow_inexact_resume: options.Inexact = False,
    *,
    reading: ReadOptions,
) -> None:
    """Search through the ranges in a recipe's tune table; the best trial becomes a recipe file."""
    from tenfold import api
    from tenfold.cli._fetching import fetch_missing
    from tenfold.studies import tuning

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
        if recipe or train or overrides:
            raise UsageError("--resume goes on with a search as it was begun; leave out the recipe, --train and --set")
        options.check_command(resume, "tune")
        run = tuning.resume_tuning(resume, trials=trials, allow_inexact=allow_inexact_resume, **how)
    elif not recipe:
        raise UsageError("found no recipe, expected one: tenfold tune RECIPE.toml, or tenfold tune --resume RUN")
    else:
        loaded = api.load_recipe(recipe, overrides or [])
        fetch_missing(train or loaded.data.train, None)
        run = tuning.tune(loaded, trials=trials, train=train, out=out, **how)
    _print_result(run, time.monotonic() - began)


def _print_result(run: Run, seconds: float) -> None:
    summary = run.summary
    best, states, figures = summary["best"], summary["trials"], summary["validation"]
    _console.say()
    ended = f"{states['complete']} to their end, {states['pruned']} stopped early, {states['fail']} failed"
    print(f"trials     {sum(states.values())}: {ended}")
    print(f"best       trial {best['trial']}, {summary['metric']} {best['value']:.5f}")
    for key, value in best["values"].items():
        print(f"           {key} = {value}")
    interval = f"95 % interval {figures['low']:.4f} to {figures['high']:.4f}"
    print(f"accuracy   {figures['accuracy']:.4f}  ({interval}, of the rows it was chosen by: too good)")
    minutes, rest = divmod(round(seconds), 60)
    print(f"time       {minutes} min {rest} s")
    print(f"recipe     {run.path / 'best.toml'}")
    print(f"trials     {run.path / 'trials.csv'}")
