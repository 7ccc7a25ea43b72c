"""Whether new images are like the ones a model learns from: ink, position, size and stroke width."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, Subject, registered
from tenfold.data.ink import InkMeasures

LARGE = 0.1
"""From this largest difference between two distributions on, people should look."""
COMPARED = ("ink", "x", "y", "size", "stroke")
NAMES = {
    "ink": "amount of ink",
    "x": "horizontal position",
    "y": "vertical position",
    "size": "size",
    "stroke": "stroke width",
}
_CRITICAL = 1.949  # Kolmogorov's distribution at 0.1 %


@dataclass(frozen=True)
class Shift:
    """How one measure differs between two sets.

    Attributes:
        name: of the measure.
        distance: Kolmogorov-Smirnov statistic: the largest difference of the two distribution functions, 0..1.
        by_chance: the distance that equal distributions exceed once in a thousand times.
        before: median in the training set.
        after: median in the new set.
    """

    name: str
    distance: float
    by_chance: float
    before: float
    after: float

    @property
    def is_large(self) -> bool:
        """Beyond chance, and large enough to matter."""
        return self.distance > max(LARGE, self.by_chance)


@registered("drift", 160, "same shape")
def _drift(subject: Subject) -> Finding:
    return drift(subject.measures, subject.test_measures)


def drift(train: InkMeasures, test: InkMeasures) -> Finding:
    """Measures whose distributions differ between two sets."""
    shifts = [shift(NAMES[name], getattr(train, name), getattr(test, name)) for name in COMPARED]
    large = sorted((s for s in shifts if s.is_large), key=lambda s: -s.distance)
    details = {"measures": [_as_dict(s) for s in shifts]}
    if not large:
        return Finding(
            "drift", "note", 0, len(shifts), "the test images are inked like the training images", details=details
        )
    what = ", ".join(f"{s.name} {_change(s)}" for s in large)
    message = (
        f"the test images differ in {what}; bring them into the form of the training images, or expect more errors"
    )
    return Finding("drift", "warning", len(large), len(shifts), message, details=details)


def shift(name: str, before: NDArray[Any], after: NDArray[Any]) -> Shift:
    """Compare (N,) values with (M,) values; neither may be empty."""
    by_chance = _CRITICAL * math.sqrt((len(before) + len(after)) / (len(before) * len(after)))
    return Shift(name, kolmogorov_smirnov(before, after), by_chance, float(np.median(before)), float(np.median(after)))


def kolmogorov_smirnov(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest difference of the empirical distribution functions of (N,) and (M,) values, 0..1."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    difference = np.searchsorted(a, both, side="right") / len(a) - np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(difference).max())


def _as_dict(value: Shift) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _change(s: Shift) -> str:
    return f"({s.before:.3g} -> {s.after:.3g})"
