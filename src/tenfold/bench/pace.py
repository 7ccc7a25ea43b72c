"""How many units a second: short windows in turn, so that what is compared meets the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from tenfold.errors import Stopped

SIDE = 1024
"""Rows and columns of the matrices whose product is the yardstick: large enough to run at full speed."""


def rates(works: Mapping[str, Callable[[], float]], seconds: float, should_stop: Callable[[], bool]) -> dict[str, list[float]]:
    """Units per second of each of ``works``, window after window, the works taking turns.

    Args:
        works: by name; each call does some work and returns how many units it was.
        seconds: for all windows together.
        should_stop: asked before each round.

    Returns:
        By name, the rates of at least three windows; window ``i`` of all works lie side by side in time.

    Raises:
        Stopped: ``should_stop`` said so.
    """
    for work in works.values():
        work()  # the first call prepares memory and kernels
    window = min(0.5, seconds / (4 * len(works)))
    found: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, found.values())) < 3:
        if should_stop():
            raise Stopped("stopped")
        for name, work in works.items():
            found[name].append(_rate(work, window))
    return found


def _rate(work: Callable[[], float], seconds: float) -> float:
    began, units = time.perf_counter(), 0.0
    while True:
        units += work()
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return units / elapsed


def matrix_product() -> Callable[[], float]:
    """A work whose units are GFLOP: one product of two float32 matrices, with torch's threads."""
    a, b, out = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), torch.empty(SIDE, SIDE)

    def work() -> float:
        torch.mm(a, b, out=out)
        return 2 * SIDE**3 / 1e9

    return work
