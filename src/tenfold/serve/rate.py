"""So many requests a second from one address: a token bucket each."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from tenfold.serve.faults import Fault

MOST_CLIENTS = 10_000
BURST_SECONDS = 2.0


class Rate:
    """Buckets that fill with ``rate`` a second up to two seconds' worth; 0 is no limit."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of ``client``.

        Raises:
            Fault: 429, with the time to wait.
        """
        if not self.rate:
            return
        now = self._clock()
        most = max(1.0, self.rate * BURST_SECONDS)
        level, then = self._buckets.pop(client, (most, now))
        level = min(most, level + (now - then) * self.rate)
        allowed = level >= 1
        self._buckets[client] = (level - 1 if allowed else level, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)  # the one that was silent longest
        if not allowed:
            wait = math.ceil((1 - level) / self.rate)
            raise Fault(429, f"more than {self.rate:g} requests a second", headers={"Retry-After": str(max(1, wait))})
