"""Counters in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from tenfold import __version__

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
        lines = [*_head("tenfold_info", "gauge", "The release that runs."), f'tenfold_info{{version="{__version__}"}} 1']
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
