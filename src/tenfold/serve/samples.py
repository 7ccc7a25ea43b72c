"""A row of MNIST's test images for the page, if MNIST is in the cache."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tenfold.errors import TenfoldError

PER_CLASS = 20


def sample_row(count: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """``count`` images with their labels, in a random order; none without MNIST."""
    kept = _kept()
    if not kept:
        return []
    return [kept[int(i)] for i in generator.permutation(len(kept))[:count]]


@cache
def _kept() -> list[dict[str, Any]]:
    from tenfold.data.load import load
    from tenfold.data.sources import SOURCES

    if SOURCES.get("mnist").cached_in() is None:  # type: ignore[attr-defined]
        return []
    try:
        data = load("mnist", "test")
    except TenfoldError:
        return []
    assert data.labels is not None
    rows = np.concatenate([np.flatnonzero(data.labels == k)[:PER_CLASS] for k in range(len(data.class_names))])
    return [{"pixels": data.images[row, 0].tolist(), "label": data.class_names[data.labels[row]]} for row in rows]
