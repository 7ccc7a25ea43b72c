"""Train a set of recipes with several seeds each, on however many workers, and say which differences count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Count, Folder, Option, Overrides, Track
from tenfold.errors import Stopped

if TYPE_CHECKING:
    from tenfold.evaluation.leaderboard import Group, Row
    from tenfold.progress import StudyLines
    from tenfold.values.recipe import Recipe

Recipes = Annotated["str | Path | Sequence[str | Path | Recipe]", Option(metavar="RECIPES...")]


@dataclass(frozen=True)
class Study:
    """What a study left.

    Attributes:
        folder: with a run directory for each training, ``leaderboard.md``, ``leaderboard.json`` and ``runs.html``.
        rows: a row a run.
        groups: a row a recipe, best first.
    """

    folder: Path
    rows: list[Row] = field(repr=False)
    groups: list[Group]


def study(
    recipes: Recipes,
    *,
    seeds: Annotated[int, Option(metavar="N")] = 3,
    epochs_scale: Annotated[float, Option(metavar="FACTOR")] = 1.0,
    overrides: Overrides = (),
    train: Annotated[str | None, Option(metavar="SOURCE")] = None,
    test: Annotated[str | None, Option(metavar="SOURCE")] = None,
    out: Folder = "study",
    workers: Count | None = None,
    executor: str = "processes",
    device: str = "auto",
    reports: bool = False,
    track: Track = (),
    progress: bool | StudyLines = True,
) -> Study:
    """Train recipes x seeds, and say which differences are significant.

    The same command goes on after an interruption: trainings that are there are kept.

    Args:
        recipes: recipe files, names, or folders of them, such as notebook.
        seeds: train each with the seeds 1 to N.
        epochs_scale: factor of every recipe's epochs; at least one is left.
        overrides: override a recipe key in all recipes, such as data.limit=5000; may be repeated.
        train: training data: a path or a data set's name; default: the recipes' own.
        test: test data, with or without labels.
        out: folder for the runs and the leaderboard.
        workers: trainings at once; default: one a core.
        executor: where trainings run: processes, ray or local.
        device: auto, cpu, cuda or mps.
        reports: write each run's report, too.
        track: copy every training to mlflow or tensorboard, too; may be repeated.
        progress: True shows it, False does not.

    Raises:
        UsageError: no such recipe, two of one name, or a setting that cannot be meant.
        Stopped: after Ctrl-C; the same call goes on.

    Example:
        >>> import tenfold
        >>> found = tenfold.study("quick", seeds=2, train="train.csv", out="study", progress=False)
        >>> sorted(row.seed for row in found.rows)  # best first
        [1, 2]
    """
    from tenfold.executors import EXECUTORS, at_once
    from tenfold.files import make_directory
    from tenfold.pipeline.study import begun, identity, planned
    from tenfold.progress import StudyLines, study_listener
    from tenfold.runtime import require_training

    require_training()
    plan = planned(recipes, seeds, epochs_scale, overrides, train, test)
    folder = make_directory(Path(out))
    if isinstance(progress, StudyLines):
        listener = progress
    else:
        listener = study_listener(quiet=not progress, track=track, folder=folder)
    there = {name for name, run in begun(folder).items() if run.is_complete}
    waiting = [recipe for recipe in plan if identity(recipe) not in there]
    parallel = 1 if executor == "local" else at_once(executor, workers, len(waiting))
    listener.begins(len(plan), len(plan) - len(waiting), parallel)
    stages = "run" if reports else "train"
    tasks = [
        {"recipe": recipe.to_toml(), "folder": str(folder.resolve()), "device": device, "stages": stages}
        for recipe in waiting
    ]
    try:
        EXECUTORS.get(executor)(parallel).map(
            "tenfold.pipeline.study:train_one", tasks, lambda index, event: listener.event(waiting[index], event)
        )
    except Stopped as error:
        raise Stopped("stopped; everything so far is kept. The same command goes on", error.exit_code) from None
    finally:
        listener.ends()
    return _written(folder)


def _written(folder: Path) -> Study:
    """The leaderboard, in memory and as files."""
    from tenfold.evaluation.leaderboard import group_runs, leaderboard
    from tenfold.files import write_json, write_text
    from tenfold.report.runs_page import group_table, markdown, run_table, write_runs_page

    rows = leaderboard(folder)
    groups = group_runs(rows)
    lines = ["# Leaderboard", "", "Mean ± standard deviation over the seeds.", "", *markdown(group_table(groups))]
    lines += ["", "## Every run", "", "With 95 % intervals.", "", *markdown(run_table(rows))]
    write_text(folder / "leaderboard.md", "\n".join(lines) + "\n")
    write_json(folder / "leaderboard.json", [_as_json(group) for group in groups])
    write_runs_page(folder, rows)
    return Study(folder, rows, groups)


def _as_json(group: Group) -> dict[str, Any]:
    def figures(split: str) -> dict[str, Any] | None:
        seeds = getattr(group, split)
        return seeds and {"mean": seeds.mean, "deviation": seeds.deviation, "values": list(seeds.values)}

    plain = {name: getattr(group, name) for name in ("name", "against_best", "seconds", "core_seconds")}
    return {**plain, "runs": list(group.runs), "validation": figures("validation"), "test": figures("test")}
