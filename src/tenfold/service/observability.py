"""Counters in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import json
import queue
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from tenfold import __version__
from tenfold.errors import printable

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    421: "misdirected_request",
    422: "invalid",
    429: "too_many_requests",
    431: "headers_too_large",
    499: "client_left",
    500: "internal",
    503: "unavailable",
    504: "timeout",
    507: "insufficient_storage",
}


CLOSING = frozenset({400, 408, 413, 414, 421, 431})
"""After these the connection is closed: what else comes on it is not to be trusted, or not to be waited for."""


class Fault(Exception):
    """An answer other than the one asked for.

    Attributes:
        status: of HTTP.
        message: what was found, what is expected; never a path, a class or a version.
        field: where in the request, such as ``images.3.pixels``.
        headers: of the answer.
        code: the same as ``status``, in a word.
    """

    def __init__(
        self, status: int, message: str, *, field: str = "", code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = printable(message)[:500]
        self.field = printable(field)[:200]
        self.code = code or CODES[status]
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The JSON document of the answer."""
        return error_body(self.code, self.message, self.field)

    def answer(self, path: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of the answer to a request for ``path``: below /v2, errors are as the protocol there wants
        them.
        """
        body = json.dumps({"error": self.message}).encode() if path.startswith("/v2") else self.body()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
        if self.status in CLOSING:
            headers["connection"] = "close"
        return headers, body


GONE = 499
"""The status, in metrics and log, of a request whose client went away; nobody is there to see it."""


def error_body(code: str, message: str, field: str = "") -> bytes:
    """``{"error": {"code", "message", "field"}}``."""
    return json.dumps({"error": {"code": code, "message": message, "field": field}}).encode()


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
        """Write one line: the time, ``event`` and ``fields``. JSON escapes whatever could break a line or a
        terminal.
        """
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


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32)


class Histogram:
    """How often a value was at most each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str = "") -> Iterable[str]:
        """The samples of this histogram."""
        count, comma = 0, "," if labels else ""
        for bound, more in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            count += more
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {count}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.total:.6f}"
        yield f"{name}_count{braces} {count}"


class Metrics:
    """What the service counts. All of it happens in one thread, the event loop's."""

    def __init__(self) -> None:
        self.started = time.time()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By route (as documented, never as sent), method and status."""
        self.seconds: dict[str, Histogram] = {}
        self.batches = Histogram(SIZES)
        self.rejected: Counter[str] = Counter(queue=0, rate=0, connections=0)
        self.dropped: Counter[str] = Counter(gone=0, late=0)
        self.closed: Counter[str] = Counter(receive=0, send=0, crowd=0)
        self.restarts = 0
        self.lost_log_lines = 0
        self.connections = 0
        self.ready = False
        self._queue = self._queue_most = 0

    def queued(self, count: int) -> None:
        """The queue has ``count`` requests now."""
        self._queue = count
        self._queue_most = max(self._queue_most, count)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests[route, method, status] += 1
        if route not in self.seconds:
            self.seconds[route] = Histogram(SECONDS)
        self.seconds[route].observe(seconds)

    def text(self) -> str:
        """The exposition."""
        lines = [
            *_head("tenfold_info", "gauge", "The release that runs."),
            f'tenfold_info{{version="{__version__}"}} 1',
        ]
        for name, value, text in (
            ("tenfold_ready", int(self.ready), "Whether requests are answered."),
            ("tenfold_start_time_seconds", round(self.started, 3), "When it started, Unix time."),
            ("tenfold_connections", self.connections, "Open connections."),
            ("tenfold_queue_length", self._queue, "Requests that wait for a worker."),
            ("tenfold_queue_length_max", self._queue_most, "The longest the queue has been."),
        ):
            lines += [*_head(name, "gauge", text), f"{name} {value}"]
        lines += _head("tenfold_requests_total", "counter", "Requests that were answered.")
        lines += [
            f'tenfold_requests_total{{route="{route}",method="{method}",status="{status}"}} {count}'
            for (route, method, status), count in sorted(self.requests.items())
        ]
        lines += _head("tenfold_request_seconds", "histogram", "From the headers to the end of the answer.")
        for route, histogram in sorted(self.seconds.items()):
            lines += histogram.lines("tenfold_request_seconds", f'route="{route}"')
        lines += [
            *_head("tenfold_batch_size", "histogram", "Requests computed together."),
            *self.batches.lines("tenfold_batch_size"),
        ]
        for name, counter, text in (
            ("tenfold_rejected_total", self.rejected, "Requests or connections turned away."),
            ("tenfold_dropped_total", self.dropped, "Requests that left the queue without being computed."),
            ("tenfold_closed_total", self.closed, "Connections closed because a client was slow, or for others' sake."),
        ):
            lines += _head(name, "counter", text)
            lines += [f'{name}{{reason="{reason}"}} {count}' for reason, count in sorted(counter.items())]
        for name, value, text in (
            ("tenfold_worker_restarts_total", self.restarts, "Workers that died or hung."),
            ("tenfold_lost_log_lines_total", self.lost_log_lines, "Log lines that nobody took."),
        ):
            lines += [*_head(name, "counter", text), f"{name} {value}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
