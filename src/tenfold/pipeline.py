"""The way through the house: sources -> dataset -> checks -> members -> predictions -> bundle, submission, report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tenfold.atomic import write_json
from tenfold.data.cache import open_stored, stored, stored_path
from tenfold.data.checks import Finding, check
from tenfold.data.load import load
from tenfold.data.options import ReadOptions, Role
from tenfold.environment import cores, describe, require_training
from tenfold.errors import IntegrityError, Stopped
from tenfold.evaluation.metrics import wilson_interval
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

if TYPE_CHECKING:
    from torch import nn

Stages = Literal["train", "run"]
MEMORY = "memory:"
"""Begins the name of a source that was given as a dataset: no path leads back to it."""


class Listener:
    """Hears what happens; this one says nothing. The command line's draws progress bars."""

    def say(self, text: str) -> None:
        """A line for people."""

    def findings(self, findings: list[Finding]) -> None:
        """What the checks found, before training."""

    def training_starts(self, members: int, workers: int) -> None:
        """``members`` are about to be trained, ``workers`` at a time."""

    def event(self, member: int, event: dict[str, Any]) -> None:
        """A member reports; see :func:`tenfold.training.loop.fit`."""

    def training_ends(self) -> None:
        """No more events."""


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
    """

    out: Path = Path("runs")
    options: ReadOptions = field(default_factory=ReadOptions)
    executor: str = "processes"
    workers: int | None = None
    device: str = "auto"
    allow_inexact_resume: bool = False


DEFAULTS = Settings()
SILENT = Listener()


def start(
    recipe: Recipe,
    stages: Stages = "run",
    settings: Settings = DEFAULTS,
    listener: Listener = SILENT,
    *,
    train: Dataset | None = None,
    test: Dataset | None = None,
) -> Run:
    """Train ``recipe`` in a new run directory, through all ``stages``.

    Args:
        recipe: names the sources, unless datasets are given.
        stages: "train" ends with the members and the bundle; "run" goes on to submission and report.
        settings: where and how.
        listener: hears of progress.
        train: used instead of the recipe's source.
        test: likewise.

    Returns:
        The complete run.

    Raises:
        ResourceError: a package that training needs is missing.
        TenfoldError: see each stage; ``Stopped`` says how to go on.
    """
    require_training()
    from tenfold.training.train import check_recipe, save_split, split_rows

    environment = _environment(settings)
    listener.say(_first_line(environment, settings))
    with _timed() as loading:
        train = train if train is not None else _load(recipe.data.train, "train", settings)
        test = test if test is not None else _load_test(recipe, settings)
    _say_data(listener, train, test)
    if test is not None:
        _check_same_kind(train, test)
    findings = check(train, test)
    listener.findings(findings)
    check_recipe(recipe, train)
    run = Run.create(settings.out, recipe)
    with run.lock(), _resumable(run, stages):
        write_json(run.path / "environment.json", environment)
        learn, held = split_rows(recipe, train)
        save_split(run, learn, held)
        leaked = any(finding.severity == "leak" for finding in findings)
        record = {
            "train": _describe(train, recipe.data.train),
            "test": None if test is None else _describe(test, str(recipe.data.test)),
            "rows": {"train": len(learn), "validation": len(held)},
            "findings": [finding.as_dict() for finding in findings],
            "leaked": leaked,
        }
        write_json(run.path / "data.json", record)
        _go_on(run, stages, settings, listener, train, test, {"load": loading.seconds})
    return run


def resume(run: Run, stages: Stages = "run", settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Run:
    """Go on with an interrupted run; a complete one is left as it is.

    Raises:
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.
    """
    require_training()
    from tenfold.training.train import check_same_environment, save_split, split_rows

    with run.lock(), _resumable(run, stages):
        if run.is_complete:
            listener.say(f"{run.path} is complete; nothing to do")
            return run
        recipe = run.recipe
        if not (run.path / "data.json").is_file():
            raise IntegrityError(f"{run.path} stopped before its data was recorded; start it again")
        environment = _environment(settings)
        listener.say(_first_line(environment, settings))
        if settings.allow_inexact_resume:
            write_json(run.path / "resumed.json", {"reproducible": False, "environment": environment})
        else:
            check_same_environment(run, environment)
        with _timed() as loading:
            train = _load_again(run, "train", recipe.data.train, settings)
            test = None if run.data["test"] is None else _load_again(run, "test", str(recipe.data.test), settings)
        assert train is not None
        if not (run.path / "split.npz").is_file():
            save_split(run, *split_rows(recipe, train))
        _go_on(run, stages, settings, listener, train, test, {"load": loading.seconds})
    return run


def _go_on(
    run: Run,
    stages: Stages,
    settings: Settings,
    listener: Listener,
    train: Dataset,
    test: Dataset | None,
    seconds: dict[str, float],
) -> None:
    """Every stage after the data is known. Each leaves files that a resumed run finds and keeps."""
    from tenfold.training.train import combine, train_members

    missing = run.recipe.ensemble.members - len(run.finished_members())
    workers = min(settings.workers or cores(), max(1, missing))
    listener.training_starts(run.recipe.ensemble.members, workers)
    try:
        with _timed() as training:
            train_members(
                run,
                stored(train),
                None if test is None else stored(test),
                executor=settings.executor,
                workers=workers,
                device=run.environment["device"],
                on_event=listener.event,
            )
    finally:
        listener.training_ends()
    seconds["train"] = training.seconds
    made = {name: predictions for name in ("validation", "test") if (predictions := combine(run, name)) is not None}
    images = _images_behind(run, train, test)
    with _timed() as exporting:
        listener.say("exporting the bundle")
        _export(run, train, made, images)
    seconds["export"] = exporting.seconds
    if stages == "run" and test is not None:
        _submit(run, made["test"], train.class_names)
    _summarise(run, made, seconds)
    if stages == "run":
        from tenfold.report.page import write_report
        from tenfold.report.previews import variants

        recipe = run.recipe
        write_report(run, images, previews=variants(train.images[0], recipe.augment, recipe.seed) if recipe.augment else None)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    run.seal()


def _load(source: str, role: Role, settings: Settings) -> Dataset:
    return load(source, role, settings.options)


def _load_test(recipe: Recipe, settings: Settings) -> Dataset | None:
    return None if recipe.data.test is None else _load(recipe.data.test, "test", settings)


def _load_again(run: Run, role: Role, source: str, settings: Settings) -> Dataset:
    recorded = run.data[role]["fingerprint"]
    if source.startswith(MEMORY):
        try:
            return open_stored(stored_path(recorded))
        except IntegrityError as error:
            message = f"the {role} set of {run.path} came from memory, and its copy in the cache is gone; start the run again"
            raise IntegrityError(message) from error
    data = _load(source, role, settings)
    if data.fingerprint() != recorded:
        raise IntegrityError(
            f"{source} has changed since {run.path} began: found {data.fingerprint()[:16]}, the run has {recorded[:16]}"
        )
    return data


def _check_same_kind(train: Dataset, test: Dataset) -> None:
    if train.image_shape != test.image_shape:
        raise IntegrityError(
            f"training images are {train.image_shape}, test images {test.image_shape} (C, H, W); they must be equal"
        )
    if test.labels is not None and train.class_names != test.class_names:
        raise IntegrityError(f"the classes differ: train has {list(train.class_names)}, test has {list(test.class_names)}")


def _environment(settings: Settings) -> dict[str, Any]:
    from tenfold.training.device import pick_device

    return {**describe(load_torch=True), "device": pick_device(settings.device).type, "threads_per_member": 1}


def _first_line(environment: Mapping[str, Any], settings: Settings) -> str:
    workers = settings.workers or environment["cores"]
    where = f"{environment['device']} ({environment['device_reason']})"
    return f"device: {where}; {environment['instruction_set']}, up to {workers} members at once, one thread each"


def _describe(data: Dataset, source: str) -> dict[str, Any]:
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


def _say_data(listener: Listener, train: Dataset, test: Dataset | None) -> None:
    for name, data in (("train", train), ("test", test)):
        if data is not None:
            c, h, w = data.image_shape
            known = "labelled" if data.labels is not None else "unlabelled"
            listener.say(f"{name}: {len(data):,} {known} images of {c}x{h}x{w}, {len(data.class_names)} classes")
            for note in data.notes:
                listener.say(f"  note: {note}")


def _images_behind(run: Run, train: Dataset, test: Dataset | None) -> dict[str, Dataset]:
    with np.load(run.path / "split.npz", allow_pickle=False) as split:
        held = split["held"]
    return {name: data for name, data in (("validation", train.take(held)), ("test", test)) if data is not None and len(data)}


def _export(run: Run, train: Dataset, made: dict[str, Predictions], images: dict[str, Dataset]) -> None:
    from tenfold.bundle.export import export_bundle
    from tenfold.bundle.manifest import Estimate
    from tenfold.training.member import load_member

    shape, classes = train.image_shape, len(train.class_names)

    def members() -> Iterator[nn.Module]:
        for member in run.finished_members():
            yield load_member(run, member, shape, classes)

    name = next((n for n in ("test", "validation") if n in made), None)
    if name is not None:
        sample, reference = images[name], made[name].probabilities
        sample = sample if sample.class_names == train.class_names else replace(sample, class_names=train.class_names)
    else:
        sample = train.take(range(min(1000, len(train))))
        reference = _torch_vote(run, members(), sample)
    metrics = {f"{n} accuracy": Estimate(**_estimate(p)) for n, p in made.items() if p.labels is not None}
    leaked = run.data["leaked"]
    export_bundle(run, members(), sample, reference, metrics=metrics, data_fingerprint=train.fingerprint(), leaked=leaked)


def _torch_vote(run: Run, members: Iterator[nn.Module], sample: Dataset) -> Any:
    import torch

    from tenfold.training.shifts import predict_shifted
    from tenfold.training.train import vote

    images = torch.from_numpy(sample.images.copy())
    ensemble = run.recipe.ensemble
    return vote((predict_shifted(member, images, ensemble.offsets).numpy() for member in members), ensemble.vote)


def _estimate(made: Predictions) -> dict[str, Any]:
    right = int(made.correct.sum())
    low, high = wilson_interval(right, len(made))
    return {"value": right / len(made), "low": low, "high": high, "images": len(made)}


def _submit(run: Run, made: Predictions, class_names: tuple[str, ...]) -> None:
    from tenfold.bundle.submission import submission_name, write_submission

    write_submission(run.path / submission_name(run.data["leaked"]), made, class_names, force=True)


def _summarise(run: Run, made: dict[str, Predictions], seconds: dict[str, float]) -> None:
    figures: dict[str, Any] = {"validation": None, "test": None}
    for name, predictions in made.items():
        if predictions.labels is not None:
            estimate = _estimate(predictions)
            wrong = int((~predictions.correct).sum())
            figures[name] = {
                "accuracy": estimate["value"],
                "low": estimate["low"],
                "high": estimate["high"],
                "errors": wrong,
                "n": len(predictions),
            }
    timings = [run.read_json(f"members/{member:02d}/timing.json") for member in run.finished_members()]
    summary = {
        **figures,
        "members": len(timings),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "core_seconds": sum(t["core_seconds"] for t in timings),
        "peak_rss_bytes": max(t["peak_rss_bytes"] for t in timings),
        "leaked": run.data["leaked"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(run.path / "summary.json", summary)


@dataclass
class _Elapsed:
    seconds: float = 0.0


@contextmanager
def _timed() -> Iterator[_Elapsed]:
    elapsed, began = _Elapsed(), time.monotonic()
    try:
        yield elapsed
    finally:
        elapsed.seconds = time.monotonic() - began


@contextmanager
def _resumable(run: Run, stages: Stages) -> Iterator[None]:
    try:
        yield
    except (Stopped, KeyboardInterrupt) as error:
        code = error.exit_code if isinstance(error, Stopped) else 130
        raise Stopped(f"stopped; everything so far is kept. Go on with: tenfold {stages} --resume {run.path}", code) from None
