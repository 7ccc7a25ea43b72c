"""SIGINT and SIGTERM as a flag, so that work stops at a safe point. A second SIGINT stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tenfold.errors import Stopped


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
    """Turn the two signals into a flag for the time of the block; a no-op outside the main thread."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if flag() and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.signal = number

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
