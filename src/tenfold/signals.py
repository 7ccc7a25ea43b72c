"""SIGINT and SIGTERM: an exception while a command prepares, a flag while it works, so that work stops at a safe point."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tenfold.errors import Stopped, Terminated


class Unwinding:
    """A handler that raises, and remembers what it was called for.

    It has to remember, because what it raises may be lost: compiled modules swallow every exception at places of their
    import (Cython registers its arrays so), and Python does in destructors.
    """

    def __init__(self) -> None:
        self.came: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


@contextlib.contextmanager
def unwinding() -> Iterator[list[int]]:
    """Let SIGTERM end the block as Ctrl-C does: what is half written is removed; yields the signals that have come.

    A no-op outside the main thread; SIGINT stays as it is where it does not raise.
    """
    handler = Unwinding()
    if threading.current_thread() is not threading.main_thread():
        yield handler.came
        return
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield handler.came
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


class StopFlag:
    """Which signal asked us to stop, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def stopped(self) -> Stopped:
        """The exception to raise: exit code 130 for SIGINT, 143 for SIGTERM."""
        return Stopped("stopped", 128 + (self.signal or signal.SIGINT))


@contextlib.contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn the two signals into a flag for the time of the block; a second SIGINT raises. A no-op outside the main thread.

    Raises:
        Stopped: a signal came after the block last looked.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if flag() and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.signal = number

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    for before in previous.values():
        if isinstance(before, Unwinding) and before.came:  # what it raised was swallowed
            flag.signal = before.came[0]
    try:
        yield flag
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
    if flag():
        raise flag.stopped()
