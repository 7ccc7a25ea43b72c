"""A run's members, from the rows they see to their combined vote."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F

from tenfold.data.cache import open_stored
from tenfold.data.splits import duplicate_groups, shuffled_split, stratified_split
from tenfold.errors import IntegrityError, Stopped, UsageError
from tenfold.executors import EXECUTORS, OnEvent
from tenfold.files import make_directory, wait_for_files, write_bytes, write_json
from tenfold.models._fitted import Fitted, Work
from tenfold.runtime import cores
from tenfold.training.loop import Rows, predict_proba
from tenfold.training.state import TrainingState, derive
from tenfold.values.dataset import Dataset
from tenfold.values.names import check_class_names
from tenfold.values.predictions import PROBABILITY_FLOOR, Predictions, vote
from tenfold.values.recipe import ModelSettings, Recipe, changes
from tenfold.values.run import LEFT_OUT, Run

# a member is trained by one thread, and a change in any of these changes its bits
BIT_DECIDING = ("recipe_key", "tenfold", "torch", "instruction_set", "bfloat16", "device", "threads_per_member")
TASK = "tenfold.training.member:train_member"
"""What an executor runs for each member."""


def check_recipe(recipe: Recipe, train: Dataset) -> None:
    """Find what cannot work before any time is spent.

    Raises:
        UsageError: the data has no labels or one class, a model or augmentation does not fit, the
            settings contradict each other.
    """
    from tenfold.augmentation import build as build_augmentation
    from tenfold.models import build as build_model

    if train.labels is None:
        raise UsageError("the training data has no labels; expected a labelled set such as Kaggle's train.csv")
    if len(np.unique(train.labels)) < 2:
        raise UsageError("the training data has fewer than two classes; there is nothing to tell apart")
    try:
        check_class_names(train.class_names)
    except ValueError as error:
        raise UsageError(f"the names of the classes: {error}; rename them") from None
    needs_held = wants_held_rows(recipe)
    if needs_held and recipe.data.validation == 0:
        raise UsageError(
            f"{' and '.join(needs_held)} need held-out rows, but data.validation is 0; set data.validation=0.1"
        )
    if recipe.ensemble.shifts >= min(train.image_shape[1:]):
        raise UsageError(
            f"ensemble.shifts = {recipe.ensemble.shifts} moves images of {train.image_shape} (C, H, W) out of sight"
        )
    classes = len(train.class_names)
    for settings in recipe.model[: recipe.ensemble.members]:
        network = build_model(settings, train.image_shape, classes)
        if isinstance(network, Fitted):
            if recipe.train.replicas > 1:
                raise UsageError(f"train.replicas is for networks; the model {settings.kind!r} is fitted at once")
            continue
        if recipe.train.progressive:
            size = recipe.train.progressive.size
            shrunk = build_model(settings, (train.image_shape[0], size, size), classes)
            if [p.shape for p in network.parameters()] != [p.shape for p in shrunk.parameters()]:
                raise UsageError(
                    f"train.progressive shows images of {size}x{size} pixels first, but this network takes only one"
                    " size; put GAP or GMP in the place of FLAT"
                )
    if recipe.train.replicas > 1 and recipe.train.pruning:
        raise UsageError("train.pruning looks at the losses of all images, which no replica has; choose one of the two")
    build_augmentation(recipe.augment)


def wants_held_rows(recipe: Recipe) -> list[str]:
    """The settings that choose something by held-out rows."""
    wanted = {
        "train.early_stopping": recipe.train.early_stopping is not None,
        "train.keep = 'best'": recipe.train.keep == "best",
        "train.schedule = 'plateau'": recipe.train.schedule == "plateau",
    }
    return [name for name, chosen in wanted.items() if chosen]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a training set, each int64 and sorted.

    Attributes:
        train: rows that members learn from, or draw from.
        held: rows held out for validation: early stopping, the best epoch and the temperature are chosen by them.
        holdout: rows held out as a test set of their own.
    """

    train: NDArray[np.int64]
    held: NDArray[np.int64]
    holdout: NDArray[np.int64]

    def counts(self) -> dict[str, int]:
        """How many rows do what."""
        holdout = {"holdout": len(self.holdout)} if len(self.holdout) else {}
        return {"train": len(self.train), "validation": len(self.held), **holdout}

    def save(self, run: Run) -> None:
        """Write it into the run, for every worker and for whoever asks later."""
        save_split(run, self.train, self.held, **({"holdout": self.holdout} if len(self.holdout) else {}))


def split_rows(recipe: Recipe, train: Dataset) -> Split:
    """Which rows do what, as ``data.draw`` says; a function of the seed alone."""
    rows, data = used_rows(recipe, train), recipe.data
    if data.draw == "shuffled":
        left, held, *rest = shuffled_split(
            len(rows), [data.validation, *([data.holdout] if data.holdout else [])], recipe.seed
        )
        return Split(rows[left], rows[held], rows[rest[0]] if rest else rows[:0])
    left, held = hold_out(recipe, train, rows)
    if not data.holdout:
        return Split(left, held, left[:0])
    groups = duplicate_groups(train.images[left])
    learn, holdout = stratified_split(train.truth[left], data.holdout, derive(recipe.seed, "holdout"), groups)
    return Split(left[learn], held, left[holdout])


def used_rows(recipe: Recipe, train: Dataset) -> NDArray[np.int64]:
    """The rows that the recipe uses at all: ``data.limit`` of them, stratified, or every one."""
    rows = np.arange(len(train), dtype=np.int64)
    if recipe.data.limit is not None and recipe.data.limit < len(rows):
        rows, _ = stratified_split(train.truth, 1 - recipe.data.limit / len(rows), derive(recipe.seed, "limit"))
    return rows


def hold_out(recipe: Recipe, train: Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``rows`` as (rows that train, rows held out): stratified, exact copies of an image on one side."""
    if recipe.data.validation == 0:
        return rows, rows[:0]
    groups = duplicate_groups(train.images[rows])
    learn, held = stratified_split(train.truth[rows], recipe.data.validation, derive(recipe.seed, "validation"), groups)
    return rows[learn], rows[held]


def save_split(run: Run, learn: NDArray[np.int64], held: NDArray[np.int64], **further: NDArray[np.int64]) -> None:
    """Write the split into the run, for every worker and for whoever asks later; ``further`` rows by name."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, train=learn, held=held, **further)
    write_bytes(run.path / "split.npz", buffer.getbuffer())


def train_members(
    run: Run, train: Path, test: Path | None, *, executor: str, workers: int, device: str, on_event: OnEvent
) -> None:
    """Train the members that are not finished yet, wherever ``executor`` puts them.

    Args:
        run: with its recipe and split.
        train: folder of the stored training set.
        test: folder of the stored test set, or None.
        executor: a registered executor.
        workers: members trained at once.
        device: "cpu", "cuda" or "mps".
        on_event: gets (member, event).
    """
    threads = max(1, cores() // workers)
    tasks = [{**task, "threads": threads} for task in member_tasks(run, train, test, device)]
    execute(run, tasks, executor, workers, lambda index, event: on_event(tasks[index]["member"], event))


def execute(run: Run, tasks: Sequence[Mapping[str, Any]], executor: str, workers: int, on_event: OnEvent) -> None:
    """Train the members that ``tasks`` describe; ``on_event`` gets (index of the task, event).

    Those with most to compute begin first: begun last, one would keep its worker busy when the others have nothing
    left.
    A member that fails leaves ``error.txt`` with its checkpoints; the others finish before its error is raised.

    Raises:
        UsageError: torchrun's processes are asked to start others.
        ResourceError: what other machines trained cannot be seen from here.
    """
    from tenfold.training.replicas import under_torchrun

    if under_torchrun() and executor != "local":
        raise UsageError(
            "under torchrun members are trained one after another, by its processes; pass --executor local"
        )
    order = longest_first(run.recipe, tasks)
    EXECUTORS.get(executor)(workers, cores=run.recipe.train.replicas).map(
        TASK, [tasks[index] for index in order], lambda place, event: on_event(order[place], event), keep_going=True
    )
    wait_for_files(Run(task["run"]).member_path(task["member"]) / "member.json" for task in tasks)


def longest_first(recipe: Recipe, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
    """The indices of ``tasks`` by what an image costs their members, most first; of equal ones the first comes first.

    Nobody knows how long a model takes that is fitted at once, so it begins before all networks.
    """
    from tenfold.models import build as build_model
    from tenfold.models._fitted import Fitted
    from tenfold.models.network import multiply_adds

    if len(recipe.model) == 1 or len(tasks) < 2:
        return list(range(len(tasks)))
    train = open_stored(Path(tasks[0]["train"]), verify=False)  # whose shape is asked for; members verify it

    def cost(model: ModelSettings) -> float:
        network = build_model(model, train.image_shape, len(train.class_names))
        return math.inf if isinstance(network, Fitted) else multiply_adds(network, train.image_shape)

    costs = [cost(model) for model in recipe.model]
    of_task = [costs[recipe.model.index(recipe.model_of(task["member"]))] for task in tasks]
    return sorted(range(len(tasks)), key=lambda index: -of_task[index])


def member_tasks(run: Run, train: Path, test: Path | None, device: str) -> list[dict[str, Any]]:
    """The arguments of :data:`TASK` for each member of ``run`` that is not finished; see :func:`train_members`."""
    missing = sorted(set(range(run.recipe.ensemble.members)) - set(run.finished_members()) - run.left_out.keys())
    path = run.path.resolve()  # a worker may stand in another folder
    common = {"run": str(path), "train": str(train.resolve()), "rows": str(path / "split.npz"), "device": device}
    return [{**common, "member": member, "test": None if test is None else str(test.resolve())} for member in missing]


def leave_out_damaged(run: Run, train: Dataset) -> dict[int, str]:
    """Note the finished members whose weights or predictions are damaged; the run goes on without them.

    Returns:
        What is wrong with each, by member.

    Raises:
        IntegrityError: none would be left.
    """
    from tenfold.training.member import load_member

    damaged = dict(run.left_out)
    for member in run.finished_members():
        try:
            load_member(run, member, train.image_shape, len(train.class_names))
            for path in run.member_path(member).glob("*.npz"):
                Predictions.load(path)
        except IntegrityError as error:
            damaged[member] = str(error)
    if len(damaged) == run.recipe.ensemble.members:
        raise IntegrityError(f"all members of {run.path} are damaged; start it again")
    if damaged:
        write_json(run.path / LEFT_OUT, {str(member): why for member, why in damaged.items()})
    return damaged


def combine(run: Run, name: str) -> Predictions | None:
    """The ensemble's vote on "validation" or "test", written to ``predictions/``; None if no member has it.

    One member is in memory at a time.
    """
    paths = [run.member_path(member) / f"{name}.npz" for member in run.finished_members()]
    if not paths or not all(path.is_file() for path in paths):
        return None
    first = Predictions.load(paths[0])
    voted = vote((Predictions.load(path).probabilities for path in paths), run.recipe.ensemble.vote)
    combined = Predictions(first.ids, voted, first.labels)
    make_directory(run.path / "predictions", within=run.path)
    combined.save(run.path / "predictions" / f"{name}.npz")
    return combined


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has changed, since a run began, that would change its bits."""
    unknown = {"recipe_key": now.get("recipe_key")}  # the first runs did not record it
    return [
        f"{key}: the run has {found!r}, here is {now.get(key)!r}{_edited(recorded, now) if key == 'recipe_key' else ''}"
        for key in BIT_DECIDING
        if (found := recorded.get(key, unknown.get(key))) != now.get(key)
    ]


def _edited(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """That recipe.toml is not what it was, setting by setting where the run recorded them."""
    edits = changes(recorded["recipe"], now["recipe"]) if "recipe" in recorded else []
    return f" (recipe.toml was edited since the run began{': ' if edits else ''}{', '.join(edits)})"


def _way_back(run: Run, now: Mapping[str, Any]) -> str:
    pinned = run.environment.get("instruction_set") == "AVX2" and str(now.get("instruction_set")).startswith("AVX512")
    return "--portable-isa avx2 makes this processor compute like that one. " if pinned else ""


def check_same_environment(run: Run, now: Mapping[str, Any]) -> None:
    """Refuse to go on where the bits could not be the same.

    Raises:
        IntegrityError: naming each difference.
    """
    if changed := differences(run.environment, now):
        raise IntegrityError(
            f"{run.path} cannot be continued with the same bits - {'; '.join(changed)}. {_way_back(run, now)}"
            "Pass --allow-inexact-resume to go on all the same; the run is then marked as not reproducible"
        )


def fit_at_once(
    state: TrainingState,
    train: Rows,
    held: Rows,
    seed: int,
    member: int,
    threads: int,
    *,
    emit: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
) -> None:
    """Fit the :class:`~tenfold.models._fitted.Fitted` network of ``state``; its history gets one row, for epoch 1.

    Args:
        state: changed in place.
        train: rows to learn from.
        held: rows held out; only for the history.
        seed: the recipe's.
        member: number of this member; part of every seed.
        threads: how many compute.
        emit: gets ``{"fitting": what, "done": n, "total": m}``, and the history's row at the end.
        should_stop: asked between parts.

    Raises:
        Stopped: ``should_stop`` said so; a fit that goes on begins anew.
    """
    from threadpoolctl import threadpool_limits

    network = state.network
    assert isinstance(network, Fitted)
    device = train.labels.device

    def report(what: str, done: int, total: int) -> None:
        emit({"fitting": what, "done": done, "total": total})

    def check_stop() -> None:
        if should_stop():
            raise Stopped("stopped; this member begins anew when the run goes on")

    network.to("cpu")
    with threadpool_limits(1):
        work = Work(derive(seed, member, "fit"), threads, report, check_stop)
        network.learn(train.images.cpu().numpy(), train.labels.cpu().numpy(), work)
    network.to(device)
    row: dict[str, Any] = {"epoch": 1, "learning_rate": None}
    for name, rows in (("train", train), ("validation", held)):
        row |= {f"{name}_loss": None, f"{name}_accuracy": None}
        if len(rows):
            probabilities = predict_proba(network, rows.images)
            row[f"{name}_loss"] = float(
                F.nll_loss(probabilities.clamp_min(PROBABILITY_FLOOR).log().double(), rows.labels)
            )
            row[f"{name}_accuracy"] = float((probabilities.argmax(1) == rows.labels).double().mean())
    state.position.history, state.position.epoch, state.position.best_epoch = [row], 1, 1
    emit({"history": row, "epochs": 1})
