"""The trainings of a study: which there are, and how a worker does one of them."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tenfold.errors import IntegrityError, UsageError
from tenfold.executors import Context, Json
from tenfold.pipeline.run import resume, start
from tenfold.pipeline.session import Listener, Settings
from tenfold.values.recipe import Recipe, find_recipe, load_recipe, parse_recipe, recipe_names
from tenfold.values.run import Run, list_runs


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
        UsageError: no such recipe, two of one name, or a setting that cannot be meant.
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
    earlier = begun(Path(folder)).get(identity(wanted))
    run = start(wanted, stages, settings, listener) if earlier is None else resume(earlier, stages, settings, listener)
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
            signal.raise_signal(signal.SIGTERM)  # the training's own executor turns it into a checkpoint and an end


def _chosen(recipes: Sequence[str | Path | Recipe]) -> list[Recipe]:
    found: list[Recipe] = []
    for one in recipes:
        if isinstance(one, Recipe):
            found.append(one)
            continue
        inside = str(one).strip("/").removeprefix("recipes/") + "/"
        if Path(one).is_dir():
            files = sorted(Path(one).rglob("*.toml"))
        else:
            names = [name for name in recipe_names() if name.startswith(inside)]
            files = [find_recipe(name) for name in names or [str(one)]]
        if not files:
            raise UsageError(f"the folder {one} has no recipes; expected files that end with .toml")
        found += [load_recipe(path) for path in files]
    if not found:
        raise UsageError("there is nothing to train: name recipes, or a folder of them such as notebook")
    return found


def begun(folder: Path) -> dict[tuple[str, ...], Run]:
    """The runs below ``folder`` that are complete or can be gone on with, by recipe and sources; complete ones win."""
    found: dict[tuple[str, ...], Run] = {}
    for run in list_runs(folder):
        try:
            name = identity(run.recipe)
        except IntegrityError:  # the leaderboard says what is wrong with it
            continue
        if run.is_complete or ((run.path / "data.json").is_file() and name not in found):
            found[name] = run
    return found


def identity(recipe: Recipe) -> tuple[str, ...]:
    """What tells the trainings of a study apart."""
    return recipe.name, recipe.fitted_from or recipe.key(), recipe.data.train, str(recipe.data.test)
