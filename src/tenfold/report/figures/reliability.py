"""Confidence beside accuracy: a dot for each step of confidence, the larger the more images it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tenfold.evaluation.calibration import Reliability

SMALLEST, LARGEST = 5.0, 18.0
"""Diameters in pixels."""


@dataclass(frozen=True)
class Dot:
    """Places in percent from the lower left, diameter in pixels, what it says, and which series it belongs to."""

    x: float
    y: float
    size: float
    label: str
    kind: str


def reliability_dots(series: Mapping[str, Reliability]) -> list[Dot]:
    """Dots of each series (a CSS class), empty steps left out; on the diagonal confidence is deserved."""
    most = max(int(bins.counts.max()) for bins in series.values())
    return [
        Dot(
            x=round(100 * float(bins.confidence[i]), 2),
            y=round(100 * float(bins.accuracy[i]), 2),
            size=round(SMALLEST + (LARGEST - SMALLEST) * float(np.sqrt(bins.counts[i] / most)), 1),
            label=f"{bins.counts[i]:,} images: confidence {bins.confidence[i]:.1%}, {bins.accuracy[i]:.1%} right",
            kind=kind,
        )
        for kind, bins in series.items()
        for i in np.flatnonzero(bins.counts)
    ]
