"""What every long piece of work has around it: the environment, a clock, an end that says how to go on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tenfold.data import ReadOptions, Role
from tenfold.data.cache import open_stored, stored_path
from tenfold.data.checks import Finding
from tenfold.data.layout import DIGITS
from tenfold.data.load import load
from tenfold.errors import DataError, IntegrityError, Problem, Stopped, Terminated
from tenfold.executors import at_once
from tenfold.files import write_json
from tenfold.runtime import TESTED_TORCH, describe
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

Stages = Literal["train", "run"]


@dataclass(frozen=True)
class Settings:
    """Where and how to work; none of it changes a bit of the result, except the device.

    Attributes:
        out: the folder that holds run directories.
        options: how to read the sources.
        executor: a registered executor.
        workers: members at once; None is one a core.
        device: "auto", "cpu", "cuda" or "mps".
        allow_inexact_resume: go on where the bits cannot be the same.
        allow_partial: on resume, do without members that are damaged.
        explore: write a page about the data, too.
        strict: refuse data that the checks warn of.
        estimate: a recipe that trains on every row, with no labelled test set, is judged all the same: by a
            cross-validation of it on the same data in this folder, or by training it once more with rows held out.
            None leaves it without a figure.
        scratch: a folder for the copy of the data that members read; None is the cache.
        candidates: recipes to choose from by rows and time, the default first; none leaves no choice.
        minutes: for the training; epochs, and the recipe if there is a choice, are chosen for it.
    """

    out: Path = Path("runs")
    options: ReadOptions = field(default_factory=ReadOptions)
    executor: str = "processes"
    workers: int | None = None
    device: str = "auto"
    allow_inexact_resume: bool = False
    allow_partial: bool = False
    explore: bool = False
    strict: bool = False
    estimate: Path | None = None
    scratch: Path | None = None
    candidates: tuple[Recipe, ...] = ()
    minutes: float | None = None


DEFAULTS = Settings()


class Listener:
    """Hears what happens; this one says nothing. The command line's draws progress bars."""

    def say(self, text: str) -> None:
        """A line for people."""

    def findings(self, findings: list[Finding]) -> None:
        """What the checks found, before training."""

    def run_begins(self, run: Run) -> None:
        """A run's directory is there, with its data recorded; also of a run that goes on."""

    def run_ends(self, run: Run) -> None:
        """It is complete."""

    def run_stops(self) -> None:
        """It was interrupted, or failed."""

    def training_starts(self, members: int, workers: int, names: Sequence[str] = ()) -> None:
        """``members`` are about to be trained, ``workers`` at a time; ``names`` say more than their numbers."""

    def search_starts(self, workers: int) -> None:
        """``workers`` are about to train one trial of a search after another; their events have the worker's number."""

    def trial_begins(self, worker: int, run: Run) -> None:
        """A worker of a search begins the trial in ``run``, or goes on with it."""

    def trial_ends(self, worker: int, run: Run | None) -> None:
        """Its trial is complete; None if it was given up, or had nothing to train."""

    def event(self, member: int, event: dict[str, Any]) -> None:
        """A member reports; see :func:`tenfold.training.loop.fit`."""

    def training_ends(self) -> None:
        """No more events."""


SILENT = Listener()


MEMORY = "memory:"
"""Begins the name of a source that was given as a dataset: no path leads back to it."""


def load_source(source: str, role: Role, settings: Settings) -> Dataset:
    """The dataset for ``role`` in ``source``."""
    return load(source, role, settings.options)


def load_test(recipe: Recipe, settings: Settings, class_names: Sequence[str]) -> Dataset | None:
    """The test set that the recipe names, if it names one; its labels are of the training set's classes."""
    if recipe.data.test is None:
        return None
    return load_source(recipe.data.test, "test", knowing(settings, class_names))


def knowing(settings: Settings, class_names: Sequence[str]) -> Settings:
    """Settings that read labels as the classes of the training set, where these are not the digits."""
    if settings.options.class_names is not None or tuple(class_names) == DIGITS:
        return settings
    return replace(settings, options=replace(settings.options, class_names=tuple(class_names)))


def load_again(run: Run, role: Role, source: str, settings: Settings) -> Dataset:
    """The dataset that the run began with.

    Raises:
        IntegrityError: the source has changed, or its copy is gone.
    """
    recorded = run.data[role]["fingerprint"]
    if source.startswith(MEMORY):
        try:
            return open_stored(stored_path(recorded))
        except IntegrityError as error:
            message = (
                f"the {role} set of {run.path} came from memory, and its copy in the cache is gone; start the run again"
            )
            raise IntegrityError(message) from error
    names = (run.data.get("train") or {}).get("class_names")
    known = knowing(settings, names) if role == "test" and names else settings
    data = load_source(source, role, known)
    if data.fingerprint() != recorded:
        raise IntegrityError(
            f"{source} has changed since {run.path} began: found {data.fingerprint()[:16]}, the run has {recorded[:16]}"
        )
    return data


def suited(
    recipe: Recipe, train: Dataset, settings: Settings, listener: Listener, *, asked: int = 0, folds: int = 1
) -> Recipe:
    """The recipe for this training set: chosen if there is a choice, fitted to the data, with epochs for the time.

    The listener hears why it was chosen, what was fitted, that steps are too few, and how long it will take.

    Args:
        recipe: the default.
        train: the training set.
        settings: with the candidates, the time, and where members train.
        listener: hears of it.
        asked: images of the test set.
        folds: of a cross-validation.
    """
    from tenfold.speed.expected import choose, expect, for_minutes
    from tenfold.training.fitting import few_steps, fitted, like_digits
    from tenfold.training.state import pick_device

    expected = None
    if pick_device(settings.device).type == "cpu" and recipe.train.replicas == 1:
        candidates = [one for one in settings.candidates if like_digits(train) or "layers" in one.fit] or [recipe]
        found = []
        for one in candidates:
            workers = at_once(settings.executor, settings.workers, one.ensemble.members * folds)
            found.append(expect(one, train, asked, workers, folds))
        expected = found[0]
        if len(found) > 1:
            expected, why = choose(found, settings.minutes)
            listener.say(f"recipe chosen: {why}")
            recipe = next(one for one in candidates if one.name == expected.recipe.name)
        elif settings.minutes:
            expected = for_minutes(expected, settings.minutes)
    recipe, line = fitted(recipe, train)
    if expected is not None:
        recipe = recipe.model_copy(update={"train": expected.recipe.train})
    for text in filter(None, (line, few_steps(recipe, len(train)))):
        listener.say(text)
    if expected is not None:
        epochs = f", {recipe.train.epochs} epochs" if settings.minutes else ""
        listener.say(f"expected: {expected} for the training{epochs}")
    return recipe


def check_same_kind(train: Dataset, test: Dataset) -> None:
    """Training and test images must have one shape and, where labels are known, the same classes.

    Raises:
        IntegrityError: they don't.
    """
    if train.image_shape != test.image_shape:
        raise IntegrityError(
            f"training images are {train.image_shape}, test images {test.image_shape} (C, H, W); they must be equal"
        )
    if test.labels is not None and train.class_names != test.class_names:
        raise IntegrityError(
            f"the classes differ: train has {list(train.class_names)}, test has {list(test.class_names)}"
        )


def check_spotless(findings: Sequence[Finding], source: str) -> None:
    """Refuse data that a check warns of, leaks and label conflicts among them.

    Raises:
        DataError: a line for each warning.
    """
    worth_a_look = [finding for finding in findings if finding.severity != "note"]
    expected = "nothing that the checks warn of, as --strict asks"
    if worth_a_look:
        raise DataError(*(Problem(source, f"{finding.name}: {finding.message}", expected) for finding in worth_a_look))


def describe_source(data: Dataset, source: str) -> dict[str, Any]:
    """What ``data.json`` records of a dataset."""
    return {
        "source": source,
        "files": [{"path": origin.path, "sha256": origin.sha256} for origin in data.origin],
        "fingerprint": data.fingerprint(),
        "images": len(data),
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "labelled": data.labels is not None,
        "notes": list(data.notes),
    }


def say_data(listener: Listener, train: Dataset, test: Dataset | None) -> None:
    """Tell the listener what was loaded."""
    for name, data in (("train", train), ("test", test)):
        if data is not None:
            c, h, w = data.image_shape
            known = "labelled" if data.labels is not None else "unlabelled"
            listener.say(f"{name}: {len(data):,} {known} images of {c}x{h}x{w}, {len(data.class_names)} classes")
            for note in data.notes:
                listener.say(f"  note: {note}")


def images_behind(run: Run, train: Dataset, test: Dataset | None) -> dict[str, Dataset]:
    """The images behind the predictions "validation", "holdout", "estimate" and "test", row for row; as "train" those
    learnt from, but for the estimate's.
    """
    judged = run.predictions("estimate").ids if run.has_predictions("estimate") else train.ids[:0]
    rows = np.flatnonzero(np.isin(train.ids, judged))
    with np.load(run.path / "split.npz", allow_pickle=False) as split:
        learnt = np.setdiff1d(split["train"], rows)
        parts = {"validation": train.take(split["held"]), "test": test, "train": train.take(learnt)}
        parts["estimate"] = train.take(rows)
        if "holdout" in split:
            parts["holdout"] = train.take(split["holdout"])
    return {name: data for name, data in parts.items() if data is not None and len(data)}


ANY = 1_000_000
"""More members at once than there are."""


def environment_of(settings: Settings, recipe: Recipe) -> dict[str, Any]:
    """What ``environment.json`` records: the machine, and what was chosen on it."""
    from tenfold.training.state import has_bfloat16, pick_device

    device = pick_device(settings.device)
    return {
        **describe(load_torch=True),
        "device": device.type,
        "bfloat16": has_bfloat16(device),
        "threads_per_member": 1,
        "replicas": recipe.train.replicas,
        **recipe_record(recipe),
    }


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """What ``environment.json`` records of the recipe."""
    return {"recipe_key": recipe.key(), "recipe": recipe.deciding()}


def first_line(environment: Mapping[str, Any], settings: Settings) -> str:
    """Where and how, for people."""
    replicas = environment["replicas"]
    workers = at_once(settings.executor, settings.workers, ANY, replicas)
    number = f"up to {workers}" if workers < ANY else "all"
    each = "one thread each" if replicas == 1 else f"{replicas} replicas each"
    where = f"{environment['device']} ({environment['device_reason']})"
    torch = str(environment["torch"]).partition("+")[0]
    bits = (
        "" if torch == TESTED_TORCH else f"\nnote: torch {torch} gives other bits than {TESTED_TORCH}, which is tested"
    )
    return f"device: {where}; {environment['instruction_set']}, {number} members at once, {each}{bits}"


@dataclass
class Elapsed:
    """Seconds on the clock, known when the block has ended."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Elapsed]:
    """Take the time of a block."""
    elapsed, began = Elapsed(), time.monotonic()
    try:
        yield elapsed
    finally:
        elapsed.seconds = time.monotonic() - began


def check_resumable(run: Run, settings: Settings, listener: Listener) -> None:
    """Refuse to go on where the bits could not be the same, unless that is allowed; then it is recorded.

    Raises:
        IntegrityError: the machine or the versions differ, or the run stopped before it knew its data.
    """
    from tenfold.training.ensemble import check_same_environment

    if not (run.path / "data.json").is_file():
        raise IntegrityError(f"{run.path} stopped before its data was recorded; start it again")
    environment = environment_of(settings, run.recipe)
    listener.say(first_line(environment, settings))
    if settings.allow_inexact_resume:
        write_json(run.path / "resumed.json", {"reproducible": False, "environment": environment})
    else:
        check_same_environment(run, environment)


@contextmanager
def resumable(run: Run, command: str) -> Iterator[None]:
    """Whatever stops the block says how to go on: with ``command``."""
    try:
        yield
    except (Stopped, KeyboardInterrupt) as error:
        code = error.exit_code if isinstance(error, (Stopped, Terminated)) else 130
        if not (run.path / "data.json").is_file():
            raise Stopped(
                f"stopped before anything was trained; start it again ({run.path} holds no data yet)", code
            ) from None
        raise Stopped(
            f"stopped; everything so far is kept. Go on with: tenfold {command} --resume {run.path}", code
        ) from None


@contextmanager
def announced(run: Run, listener: Listener) -> Iterator[None]:
    """The listener hears of the run's beginning and of its end."""
    listener.run_begins(run)
    try:
        yield
    except BaseException:
        listener.run_stops()
        raise
    listener.run_ends(run)


def summarise(run: Run, made: dict[str, Predictions], seconds: dict[str, float], estimate: Mapping[str, Any]) -> None:
    """Write ``summary.json``: accuracies with intervals, times, memory, whether the test set leaked."""
    figures: dict[str, Any] = {"validation": None, "test": None}
    figures |= {name: scored(predictions) for name, predictions in made.items() if predictions.labels is not None}
    figures |= {"estimate": dict(estimate)} if estimate else {}
    summary = {
        **figures,
        **costs(run.trained(), seconds),
        "leaked": run.data["leaked"],
        "left_out": sorted(run.left_out),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(run.path / "summary.json", summary)


def scored(made: Predictions) -> dict[str, Any]:
    """Accuracy of labelled predictions with its 95 % interval, as ``summary.json`` has it."""
    return asdict(made.score)


def costs(trained: Sequence[tuple[Run, int]], seconds: Mapping[str, float]) -> dict[str, Any]:
    """Times and memory of these members, as ``summary.json`` has them; ``seconds`` on the clock, by stage."""
    timings = [run.read_json(f"members/{member:02d}/timing.json") for run, member in trained]
    return {
        "members": len(timings),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "core_seconds": sum(t["core_seconds"] for t in timings),
        "peak_rss_bytes": max(t["peak_rss_bytes"] for t in timings),
    }
