"""One JSON object a line, written by a thread of its own: a log that nobody reads stops no request."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import Any, TextIO

from tenfold.serve.metrics import Metrics

MOST_LINES = 10_000
"""That wait to be written; further ones are lost, and counted."""


class Log:
    """Lines to ``stream``, or nowhere."""

    def __init__(self, stream: TextIO | None, metrics: Metrics) -> None:
        self._stream = stream
        self._metrics = metrics
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one line: the time, ``event`` and ``fields``. JSON escapes whatever could break a line or a terminal."""
        if self._stream is None:
            return
        try:
            self._lines.put_nowait({"time": round(time.time(), 3), "event": event, **fields})
        except queue.Full:
            self._metrics.lost_log_lines += 1

    def close(self, seconds: float = 1.0) -> None:
        """Write what waits, for at most ``seconds``."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            assert self._stream is not None
            try:
                self._stream.write(json.dumps(line) + "\n")  # ASCII: no control character passes
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):  # closed, full disk: serving goes on
                self._metrics.lost_log_lines += 1
