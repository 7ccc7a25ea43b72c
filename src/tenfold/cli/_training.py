"""What `train` and `run` share: from options to a finished run and its last lines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tenfold.cli import _console, _portable
from tenfold.cli import _executors as executors
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.data import ReadOptions
    from tenfold.values.run import Run

Recipe = Annotated[
    str, typer.Argument(help="A recipe file, or the name of one that comes with tenfold.", metavar="[RECIPE.toml]")
]
Train = Annotated[str | None, typer.Option(help="Training data: a path or a data set's name.", metavar="SOURCE")]
Test = Annotated[str | None, typer.Option(help="Test data, with or without labels.", metavar="SOURCE")]
Out = Annotated[Path, typer.Option(help="Folder for run directories.")]
Resume = Annotated[Path | None, typer.Option(help="Go on with this run directory.", metavar="RUN")]
Override = Annotated[
    list[str] | None, typer.Option("--set", help="Override a recipe key; may be repeated.", metavar="KEY=VALUE")
]
Workers = Annotated[int | None, typer.Option(help="Members trained at once; default: one a core.", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="Where members run: processes, ray or local.")]
Address = executors.Address
Insecure = executors.Insecure
PortableIsa = _portable.PortableIsa
Explore = Annotated[
    bool, typer.Option("--explore", help="Write a page about the data, too; it takes a minute or more.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Train on nothing that the checks of the data warn of: exit code 3.")
]
Partial = Annotated[
    bool,
    typer.Option("--allow-partial", help="With --resume: do without members that are damaged, and say so everywhere."),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track", help="Copy curves, parameters and files to mlflow or tensorboard, too.", metavar="NAME[=PLACE]"
    ),
]
Inexact = Annotated[bool, typer.Option("--allow-inexact-resume", help="Resume where the bits cannot be the same.")]


def execute(
    stages: Literal["train", "run"],
    recipe: str,
    *,
    train: str | None,
    test: str | None,
    out: Path,
    resume: Path | None,
    overrides: list[str],
    workers: int | None,
    device: str,
    executor: str,
    inexact: bool,
    partial: bool,
    explore: bool = False,
    strict: bool = False,
    track: list[str] | None = None,
    reading: ReadOptions,
) -> None:
    """Start or resume, then print where everything is."""
    from tenfold import api
    from tenfold.cli._fetching import fetch_missing

    began = time.monotonic()
    how: dict[str, Any] = {"options": reading, "executor": executor, "workers": workers, "device": device}
    how["track"] = track or []
    progress = not _console.settings.quiet
    if resume is not None:
        if train or test or overrides or strict:
            raise UsageError(
                "--resume goes on with a run as it was begun; leave out --train, --test, --set and --strict"
            )
        check_command(resume, "run")
        finished = api.resume(
            resume, stages, allow_inexact=inexact, allow_partial=partial, explore=explore, progress=progress, **how
        )
    else:
        loaded = api.load_recipe(recipe, overrides)
        fetch_missing(train or loaded.data.train, test or (None if train else loaded.data.test))
        if stages == "train":
            finished = api.train(loaded, train=train, out=out, strict=strict, progress=progress, **how)
        else:
            how |= {"explore": explore, "strict": strict}
            finished = api.run(loaded, train=train, test=test, out=out, progress=progress, **how)
    print_result(finished, time.monotonic() - began)


def check_command(path: Path, command: str) -> None:
    """Refuse to go on with a run of another command.

    Raises:
        UsageError: naming the command that does.
    """
    from tenfold.values.run import Run

    run = Run(path)
    if run.command != command:
        raise UsageError(
            f"{path} was not begun by `tenfold {command}`; go on with: tenfold {run.command} --resume {path}"
        )


def print_result(run: Run, seconds: float) -> None:
    """The figures of a finished run, and where everything is."""
    summary = run.summary
    _console.say()
    if folds := summary.get("folds"):
        for number, figures in enumerate(folds, 1):
            print(f"fold {number}     {_share(figures)}")
        print(f"mean       {_mean(summary)} over {len(folds)} folds")
    held = "out of fold" if folds else "validation accuracy"
    names = {"test": "test accuracy", "holdout": "holdout accuracy", "validation": held}
    for name, shown in names.items():
        if figures := summary.get(name):
            print(f"{shown}  {_share(figures)}")
    if inner := run.cross_validation():
        print(f"{inner.data['folds']} folds    {_mean(inner.summary)}, of the rows that train")
    minutes, rest = divmod(round(seconds), 60)
    print(f"time       {minutes} min {rest} s, {summary['core_seconds']:,.0f} core-seconds of training")
    labels = {
        "report.html": "report",
        "explore.html": "data",
        "submission.csv": "submission",
        "submission.partial.csv": "submission",
        "submission.leaked.csv": "submission",
        "submission.partial.leaked.csv": "submission",
        "bundle": "bundle",
        "predictions/oof.npz": "out of fold",
    }
    for name, label in labels.items():
        if (run.path / name).exists():
            print(f"{label:<10} {run.path / name}")
    print(f"run        {run.path}")
    for member, why in run.left_out.items():
        print(f"\n!!! PARTIAL: member {member} was left out: {why}")
    if summary["leaked"]:
        print("\n!!! LEAKAGE: test images are among the training images; no figure on this test set means anything")


def _share(figures: dict[str, Any]) -> str:
    return f"{figures['accuracy']:.4f}  ({_interval(figures)}; {figures['errors']:,} errors in {figures['n']:,})"


def _mean(summary: dict[str, Any]) -> str:
    return f"{summary['mean']:.4f}  ({_interval(summary, 'mean_')}), standard deviation {summary['deviation']:.4f}"


def _interval(figures: dict[str, Any], of: str = "") -> str:
    return f"95 % interval {figures[f'{of}low']:.4f} to {figures[f'{of}high']:.4f}"
