"""The frame of a run, a cross-validation and a search: data, checks, record, lock, an end that says how to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tenfold.data import ReadOptions
from tenfold.data.checks import Finding, check
from tenfold.data.load import load
from tenfold.errors import IntegrityError, Stopped, Terminated, UsageError
from tenfold.executors import at_once
from tenfold.files import write_json
from tenfold.pipeline import datasets
from tenfold.runtime import TESTED_TORCH, describe, require_training
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


@dataclass(frozen=True)
class Session:
    """A run at work: what its stages need. Each leaves files that a session which goes on finds and keeps.

    Attributes:
        run: its directory.
        settings: where and how.
        listener: hears of progress.
        train: the training set.
        test: the test set, if there is one.
        seconds: on the clock, by stage.
    """

    run: Run
    settings: Settings
    listener: Listener
    train: Dataset
    test: Dataset | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of a block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began

    @contextmanager
    def training(self, members: int, missing: int, names: Sequence[str] = ()) -> Iterator[int]:
        """A block that trains ``missing`` of ``members``, while the listener shows it; gives how many at once."""
        workers = at_once(self.settings.executor, self.settings.workers, missing, self.run.recipe.train.replicas)
        self.listener.training_starts(members, workers, names)
        try:
            with self.stage("train"):
                yield workers
        finally:
            self.listener.training_ends()

    def report(self, images: Mapping[str, Dataset], **more: Any) -> None:
        """Write ``report.html`` about the predictions of ``images``, with pictures of what augmentation does."""
        from tenfold.report.page import write_report
        from tenfold.report.sprites import variants

        recipe = self.run.recipe
        previews = variants(self.train.images[0], recipe.augment, recipe.seed) if recipe.augment else None
        write_report(self.run, dict(images), previews=previews, **more)


@dataclass(frozen=True)
class Kind:
    """What one kind of run does within the frame that all have; see :func:`begin` and :func:`go_on`.

    Attributes:
        name: as ``data.json`` records it: "run", "cv" or "tune".
        called: what messages call it.
        command: goes on with it.
        work: every stage after the data is known.
        plan: what ``data.json`` records besides, from (recipe, training set, listener); refuses what cannot work.
        folds: how often each row trains, about.
        tests: whether a test set plays a part.
    """

    name: str
    called: str
    command: str
    work: Callable[[Session], None]
    plan: Callable[[Recipe, Dataset, Listener], Mapping[str, Any]]
    folds: int = 1
    tests: bool = False


def begin(
    kind: Kind,
    recipe: Recipe,
    settings: Settings,
    listener: Listener,
    *,
    train: Dataset | None = None,
    test: Dataset | None = None,
) -> Run:
    """Load, check and record the data in a new run directory, and do the work there.

    Raises:
        ResourceError: a package that training needs is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    require_training()
    from tenfold.speed.expected import suited
    from tenfold.training.ensemble import check_recipe

    environment = environment_of(settings, recipe)
    listener.say(first_line(environment, settings))
    settings = replace(settings, options=settings.options.or_classes(recipe.data.class_names))
    began = time.monotonic()
    train = train if train is not None else load(recipe.data.train, "train", settings.options)
    if kind.tests and test is None:
        test = datasets.load_test(recipe, settings.options, train.class_names)
    loading = time.monotonic() - began
    datasets.say_data(listener, train, test)
    if test is not None:
        datasets.check_same_kind(train, test)
    findings = [*check(train, test), *filter(None, [datasets.orientation(train)])]
    if settings.strict:
        datasets.check_spotless(findings, train.origin[0].path if train.origin else recipe.data.train)
    listener.findings(findings)
    recipe = suited(recipe, train, settings, listener, asked=0 if test is None else len(test), folds=kind.folds)
    check_recipe(recipe, train)
    planned = kind.plan(recipe, train, listener)
    run = Run.create(settings.out, recipe)
    with run.lock(), resumable(run, kind.command):
        write_json(run.path / "environment.json", environment | recipe_record(recipe))
        options = settings.options.told()
        record = {
            "kind": kind.name,
            "train": datasets.describe_source(train, recipe.data.train),
            "test": None if test is None else datasets.describe_source(test, str(recipe.data.test)),
            "findings": [finding.as_dict() for finding in findings],
            "leaked": any(finding.severity == "leak" for finding in findings),
            **({"options": options} if options else {}),
            **planned,
        }
        write_json(run.path / "data.json", record)
        with announced(run, listener):
            kind.work(Session(run, settings, listener, train, test, {"load": loading}))
    return run


def go_on(kind: Kind, run: Run, settings: Settings, listener: Listener) -> Run:
    """Go on with an interrupted run, to the same bits; a complete one is left as it is.

    Raises:
        UsageError: it is of another kind.
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    require_training()
    if run.command != kind.name:
        raise UsageError(f"{run.path} is no {kind.called}; go on with: tenfold {run.command} --resume {run.path}")
    with run.lock(), resumable(run, kind.command):
        if run.is_complete:
            listener.say(f"{run.path} is complete; nothing to do")
            return run
        check_resumable(run, settings, listener)
        began = time.monotonic()
        train = datasets.load_again(run, "train", settings.options)
        test = None if run.data["test"] is None else datasets.load_again(run, "test", settings.options)
        loading = time.monotonic() - began
        with announced(run, listener):
            kind.work(Session(run, settings, listener, train, test, {"load": loading}))
    return run


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


def write_summary(run: Run, figures: Mapping[str, Any]) -> None:
    """Write ``summary.json``: the accuracies by the names of their rows, and whatever else ``figures`` has."""
    usual = {"validation": None, "test": None, "leaked": False, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    write_json(run.path / "summary.json", {**usual, **figures})


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
