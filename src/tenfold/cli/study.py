"""`tenfold study`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import _console
from tenfold.cli import _training as options


def study(
    recipes: Annotated[
        list[str],
        typer.Argument(help="Recipe files, names, or folders of them, such as notebook.", metavar="RECIPES..."),
    ],
    seeds: Annotated[int, typer.Option(help="Train each with the seeds 1 to N.", metavar="N")] = 3,
    epochs_scale: Annotated[float, typer.Option(help="Factor of every recipe's epochs.", metavar="FACTOR")] = 1.0,
    overrides: options.Override = None,
    train: options.Train = None,
    test: options.Test = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs and the leaderboard.")] = Path("study"),
    workers: Annotated[int | None, typer.Option(help="Trainings at once; default: one a core.", min=1)] = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    address: options.Address = None,
    insecure: options.Insecure = False,
    reports: Annotated[bool, typer.Option("--reports", help="Write each run's report, too.")] = False,
    track: options.Track = None,
) -> None:
    """Train recipes x seeds, and say which differences are significant.

    The same command goes on after an interruption.
    """
    from tenfold.cli._fetching import fetch_missing
    from tenfold.report.runs_page import group_table
    from tenfold.studies.study import planned, study

    plan = planned(recipes, seeds, epochs_scale, overrides or [], train, test)
    for source in dict.fromkeys(name for recipe in plan for name in (recipe.data.train, recipe.data.test) if name):
        fetch_missing(source, None)
    done = study(
        recipes,
        seeds=seeds,
        epochs_scale=epochs_scale,
        overrides=overrides or [],
        train=train,
        test=test,
        out=out,
        workers=workers,
        executor=executor,
        device=device,
        reports=reports,
        track=track or [],
        progress=not _console.settings.quiet,
    )
    _console.print_table(group_table(done.groups))
    print(done.folder / "leaderboard.md")
    print(done.folder / "runs.html")
