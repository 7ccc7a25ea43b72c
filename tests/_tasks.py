"""Tasks for the contract of executors; found by name, in worker processes too."""

from __future__ import annotations

import os
import time

from tenfold.errors import (
    BusyError,
    DataError,
    IntegrityError,
    Problem,
    ResourceError,
    Stopped,
    TenfoldError,
    UsageError,
)
from tenfold.executors import Context, Json

ERRORS: dict[str, TenfoldError] = {
    "usage": UsageError("not meant\nat all"),
    "data": DataError(
        Problem("a.csv", "'x'", "a digit", row=3, column=2, hint="look"), Problem("b.csv", "y", "z"), total=5
    ),
    "resource": ResourceError("disk full"),
    "busy": BusyError("in use"),
    "integrity": IntegrityError("hash"),
}


def square(context: Context, number: int, seconds: float = 0.0) -> Json:
    """Its square, after a while."""
    time.sleep(seconds)
    return {"square": number * number}


def echo(context: Context, **task: object) -> Json:
    """What it was given."""
    return task


def report(context: Context, number: int) -> Json:
    """Two events, then a result."""
    context.emit({"step": 1, "number": number})
    context.emit({"step": 2, "number": number})
    return {}


def chatter(context: Context) -> Json:
    """Prints what could be taken for a message."""
    print('{"result": "wrong"}')
    os.write(1, b"\xff not even text\n")
    return {"result": "right"}


def fail(context: Context, kind: str) -> Json:
    """The error of that kind."""
    raise ERRORS[kind]


def crash(context: Context) -> Json:
    """A bug."""
    raise ZeroDivisionError("a bug")


def fail_or_wait(context: Context, number: int) -> Json:
    """Task 0 fails at once; the others wait until they are asked to stop."""
    if number == 0:
        raise ResourceError("first")
    while not context.should_stop():
        time.sleep(0.01)
    raise Stopped("asked to")


def fail_at(context: Context, number: int, bad: int, kind: str | None = None) -> Json:
    """Task number ``bad`` fails."""
    if number == bad:
        raise KeyError("a bug") if kind is None else ERRORS[kind]
    return {"number": number}
