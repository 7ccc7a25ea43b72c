"""Train a set of recipes with several seeds each, on however many workers, and say which differences are noise."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tenfold import pipeline
from tenfold.errors import IntegrityError, Stopped, UsageError
from tenfold.evaluation.leaderboard import Group, Row, group_runs, leaderboard
from tenfold.executors import EXECUTORS, Context, Json, at_once
from tenfold.files import make_directory, write_json, write_text
from tenfold.pipeline import Listener, Settings
from tenfold.runtime import require_training
from tenfold.studies.progress import StudyLines, study_listener
from tenfold.studies.tracked import tracked_study
from tenfold.values.recipe import FOLDER, Recipe, find_recipe, load_recipe, parse_recipe
from tenfold.values.run import Run, list_runs


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
    recipes: str | Path | Sequence[str | Path | Recipe],
    *,
    seeds: int = 3,
    epochs_scale: float = 1.0,
    overrides: Sequence[str] = (),
    train: str | None = None,
    test: str | None = None,
    out: str | Path = "study",
    workers: int | None = None,
    executor: str = "processes",
    device: str = "auto",
    reports: bool = False,
    track: Sequence[str] = (),
    progress: bool | StudyLines = True,
) -> Study:
    """Train every recipe with seeds 1 to ``seeds``, and write a leaderboard.

    Called again with the same folder it keeps the trainings that are there and goes on with the interrupted ones.

    Args:
        recipes: recipe files, names of recipes that come with tenfold, or folders of either ("notebook").
        seeds: how many seeds of each.
        epochs_scale: factor of every recipe's epochs; at least one is left.
        overrides: keys to change in all recipes, such as ``["data.limit=5000"]``.
        train: the training set, instead of the recipes'.
        test: likewise.
        out: the folder.
        workers: trainings at once; None is one a core.
        executor: "processes", "ray" or "local".
        device: "auto", "cpu", "cuda" or "mps".
        reports: write each run's report, too.
        track: trackers to copy every training to, as for :func:`tenfold.run`.
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
    require_training()
    plan = planned(recipes, seeds, epochs_scale, overrides, train, test)
    folder = make_directory(Path(out))
    listener = progress if isinstance(progress, StudyLines) else study_listener(quiet=not progress)
    listener = tracked_study(listener, track, folder)
    there = {name for name, run in _begun(folder).items() if run.is_complete}
    waiting = [recipe for recipe in plan if _identity(recipe) not in there]
    parallel = 1 if executor == "local" else at_once(executor, workers, len(waiting))
    listener.begins(len(plan), len(plan) - len(waiting), parallel)
    stages = "run" if reports else "train"
    tasks = [
        {"recipe": recipe.to_toml(), "folder": str(folder.resolve()), "device": device, "stages": stages}
        for recipe in waiting
    ]
    try:
        EXECUTORS.get(executor)(parallel).map(
            "tenfold.studies.study:train_one", tasks, lambda index, event: listener.event(waiting[index], event)
        )
    except Stopped as error:
        raise Stopped("stopped; everything so far is kept. The same command goes on", error.exit_code) from None
    finally:
        listener.ends()
    return _written(folder)


def planned(
    recipes: str | Path | Sequence[str | Path | Recipe],
    seeds: int,
    epochs_scale: float,
    overrides: Sequence[str],
    train: str | None,
    test: str | None,
) -> list[Recipe]:
    """Every recipe with every seed, as they will be trained; all first seeds come first.

    Raises:
        UsageError: see :func:`study`.
    """
    if seeds < 1:
        raise UsageError(f"found {seeds} seeds, expected at least one")
    if not 0 < epochs_scale <= 1000:
        raise UsageError(f"found an epochs scale of {epochs_scale:g}, expected a factor above 0 such as 0.1")
    chosen = _chosen([recipes] if isinstance(recipes, str | Path) else recipes)
    names = [recipe.name for recipe in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two recipes are called {twice[0]!r}; the leaderboard could not tell them apart: rename one")
    if train is None and test is not None:
        raise UsageError("a test set of your own needs a training set of your own; pass both")
    sources = {} if train is None else {"train": train, "test": test}
    prepared = []
    for recipe in chosen:
        changed = recipe.overridden(overrides)
        epochs = max(1, round(changed.train.epochs * epochs_scale))
        changed = changed.model_copy(update={"train": changed.train.model_copy(update={"epochs": epochs})})
        prepared.append(changed.model_copy(update={"data": changed.data.model_copy(update=sources)}))
    return [recipe.model_copy(update={"seed": seed}) for seed in range(1, seeds + 1) for recipe in prepared]


def train_one(context: Context, recipe: str, folder: str, device: str, stages: Literal["run", "train"]) -> Json:
    """Train one recipe into a run directory below ``folder``, or go on with it: the task of an executor."""
    wanted = parse_recipe(recipe)
    settings = Settings(Path(folder), executor="local", workers=1, device=device)
    listener = _Inner(context)
    begun = _begun(Path(folder)).get(_identity(wanted))
    run = (
        pipeline.start(wanted, stages, settings, listener)
        if begun is None
        else pipeline.resume(begun, stages, settings, listener)
    )
    summary = run.summary
    figures = summary.get("test") or summary.get("validation") or {}
    context.emit({"finished": run.path.name, "accuracy": figures.get("accuracy")})
    return {"run": str(run.path)}


class _Inner(Listener):
    """Passes epochs on, and asks the training to stop at its next safe point when the executor says so."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run_begins(self, run: Run) -> None:
        """See :class:`Listener`."""
        self._context.emit({"begun": str(run.path)})

    def event(self, member: int, event: dict[str, Any]) -> None:
        """See :class:`Listener`."""
        if "history" in event:
            self._context.emit({"history": event["history"], "epochs": event["epochs"], "member": member})
        if self._context.should_stop():
            os.kill(os.getpid(), signal.SIGTERM)  # the training's own executor turns it into a checkpoint and an end


def _chosen(recipes: Sequence[str | Path | Recipe]) -> list[Recipe]:
    found: list[Recipe] = []
    for one in recipes:
        if isinstance(one, Recipe):
            found.append(one)
            continue
        inside = FOLDER / str(one).strip("/").removeprefix("recipes/")
        folder = next((place for place in (Path(one), inside) if place.is_dir()), None)
        files = [find_recipe(str(one))] if folder is None else sorted(folder.rglob("*.toml"))
        if not files:
            raise UsageError(f"the folder {one} has no recipes; expected files that end with .toml")
        found += [load_recipe(path) for path in files]
    if not found:
        raise UsageError("there is nothing to train: name recipes, or a folder of them such as notebook")
    return found


def _begun(folder: Path) -> dict[tuple[str, ...], Run]:
    """The runs below ``folder`` that are complete or can be gone on with, by recipe and sources; complete ones win."""
    found: dict[tuple[str, ...], Run] = {}
    for run in list_runs(folder):
        try:
            name = _identity(run.recipe)
        except IntegrityError:  # the leaderboard says what is wrong with it
            continue
        if run.is_complete or ((run.path / "data.json").is_file() and name not in found):
            found[name] = run
    return found


def _identity(recipe: Recipe) -> tuple[str, ...]:
    return recipe.name, recipe.key(), recipe.data.train, str(recipe.data.test)


def _written(folder: Path) -> Study:
    """The leaderboard, in memory and as files."""
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
