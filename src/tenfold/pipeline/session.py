"""What every long piece of work has around it: the environment, a clock, an end that says how to go on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tenfold.atomic import write_json
from tenfold.environment import describe
from tenfold.errors import IntegrityError, Stopped, Terminated
from tenfold.executors import at_once
from tenfold.pipeline.listener import Listener
from tenfold.pipeline.settings import Settings
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

ANY = 1_000_000
"""More members at once than there are."""


def environment_of(settings: Settings, recipe: Recipe) -> dict[str, Any]:
    """What ``environment.json`` records: the machine, and what was chosen on it."""
    from tenfold.training.device import has_bfloat16, pick_device

    device = pick_device(settings.device)
    return {
        **describe(load_torch=True),
        "device": device.type,
        "bfloat16": has_bfloat16(device),
        "threads_per_member": 1,
        "replicas": recipe.train.replicas,
        "recipe_key": recipe.key(),
        "recipe": recipe.deciding(),
    }


def first_line(environment: Mapping[str, Any], settings: Settings) -> str:
    """Where and how, for people."""
    replicas = environment["replicas"]
    workers = at_once(settings.executor, settings.workers, ANY, replicas)
    number = f"up to {workers}" if workers < ANY else "all"
    each = "one thread each" if replicas == 1 else f"{replicas} replicas each"
    where = f"{environment['device']} ({environment['device_reason']})"
    return f"device: {where}; {environment['instruction_set']}, {number} members at once, {each}"


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
    from tenfold.training.train import check_same_environment

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
            raise Stopped(f"stopped before anything was trained; start it again ({run.path} holds no data yet)", code) from None
        raise Stopped(f"stopped; everything so far is kept. Go on with: tenfold {command} --resume {run.path}", code) from None


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
