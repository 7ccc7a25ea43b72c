"""Tasks for the executors' tests; worker processes import them by name."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

from tenfold import files
from tenfold.errors import IntegrityError, Stopped
from tenfold.executors import Context


def double(context: Context, value: int, wait: float = 0.0) -> dict[str, Any]:
    context.emit({"starting": value})
    time.sleep(wait)
    print("a task may print")
    return {"value": 2 * value, "pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}


def fail(context: Context, value: int) -> dict[str, Any]:
    if value == 1:
        raise IntegrityError("member 1 does not match")
    return until_stopped(context)


def bug(context: Context) -> dict[str, Any]:
    raise KeyError("a bug")


def die(context: Context) -> dict[str, Any]:
    os._exit(9)


def until_stopped(context: Context, seconds: float = 30.0) -> dict[str, Any]:
    context.emit({"pid": os.getpid()})
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if context.should_stop():
            raise Stopped("stopped")
        time.sleep(0.01)
    raise AssertionError("nobody asked to stop")


def slow_once(context: Context, folder: str, value: int) -> dict[str, Any]:
    """The first attempt at task 2 hangs."""
    first = not list(Path(folder).glob(f"{value}-*"))
    (Path(folder) / f"{value}-{os.getpid()}").touch()
    if value == 2 and first:
        time.sleep(120)
    return {"value": value}


def count_and_fail(context: Context, folder: str) -> dict[str, Any]:
    (Path(folder) / str(time.time_ns())).touch()
    raise KeyError("a bug")


def write_again_and_again(context: Context, path: str, attempts: int) -> dict[str, Any]:
    """Files of a megabyte that begin with their hash, until so many attempts were made."""
    mark = Path(path).with_suffix(f".{time.time_ns()}")
    mark.touch()
    context.emit({"pid": os.getpid()})
    for number in range(100_000):
        if len(list(Path(path).parent.glob(f"{Path(path).stem}.*"))) > attempts:
            break
        content = number.to_bytes(4, "big") * 250_000
        files.write_bytes(Path(path), hashlib.sha256(content).digest() + content)
    return {}


def train_at_a_pace(context: Context, **task: Any) -> dict[str, Any]:
    """A member that rests after every epoch: how long it trains says this, not the machine or what else runs there."""
    from _ray import EPOCH_SECONDS
    from tenfold.training.member import train_member

    def emit(event: dict[str, Any]) -> None:
        context.emit(event)
        if "history" in event:
            time.sleep(EPOCH_SECONDS)

    return train_member(Context(emit, context.should_stop), **task)


def train_on_a_refusing_disk(context: Context, at: int, why: int, **task: Any) -> dict[str, Any]:
    """Member 0 gets the error ``why`` from the disk, from call number ``at`` on."""
    from _faulty_os import FaultyOs
    from tenfold.training.member import train_member

    def refuse(name: str, real: Any, arguments: Any) -> Any:
        raise OSError(why, os.strerror(why))

    if task["member"] == 0:
        files.os = FaultyOs(at, refuse, for_ever=True)  # type: ignore[assignment]
    try:
        return train_member(context, **task)
    finally:
        files.os = os
