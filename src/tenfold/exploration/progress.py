"""What people see while a data set is explored: a line a part, with the share that is done where that is known."""

from __future__ import annotations

import sys

TENTHS = 10


class ProgressLines:
    """Prints to the error stream; on a terminal a part's line is written over, elsewhere it comes every tenth."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._part = ""
        self._tenth = 0

    def __call__(self, part: str, done: int, total: int) -> None:
        """A part begins, or goes on: ``done`` of ``total``."""
        tenth = TENTHS * done // total
        if part != self._part:
            self._part, self._tenth = part, 0
            self._print(f"{part} ...")
        elif tenth > self._tenth and total > 1:
            self._tenth = tenth
            self._print(f"{part} {done}/{total}")
        if self._on_terminal and done >= total:
            print(file=sys.stderr)

    def _print(self, text: str) -> None:
        if self._on_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
