"""How the error rate falls as the unsure answers are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.evaluation.rejection import CoverageCurve
from tenfold.report.figures.axis import Axis, Tick, ticks

POINTS = 250
ROOM = 1.25
"""The axis goes on to so many times what has to be left out to be free of errors."""
WIDEST = 0.5
_SMALL_SET = 20
"""Below so many answers an error rate says little."""


@dataclass(frozen=True)
class RejectionFigure:
    """Left out (x) against errors among the answers (y): SVG points from the upper left, ticks, the place of the threshold."""

    points: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    threshold: float | None


def rejection_figure(curve: CoverageCurve, threshold: float | None) -> RejectionFigure:
    """The figure of a curve, with a mark where answers below ``threshold`` are left out."""
    left_out, risk = 1 - curve.coverage, curve.errors / curve.answered
    free = left_out[curve.errors == 0].min(initial=1.0)
    shown = min(WIDEST, max(ROOM * float(free), 0.01))
    keep = np.flatnonzero((left_out <= shown) & (curve.answered >= _SMALL_SET))
    keep = keep if len(keep) else np.array([len(risk) - 1])
    keep = keep[np.unique(np.linspace(0, len(keep) - 1, POINTS).round().astype(int))][::-1]
    x, y = Axis(0.0, shown), Axis(0.0, max(float(risk[keep].max()), 1e-6) * 1.05)
    points = " ".join(f"{x.place(float(left_out[i])):g},{100 - y.place(float(risk[i])):.2f}" for i in keep)
    below = None if threshold is None else 1 - float(curve.answered[curve.thresholds >= threshold].max(initial=0)) / curve.total
    return RejectionFigure(
        points=points,
        x_ticks=[Tick(x.place(value), f"{100 * value:.4g} %") for value in ticks(x)],
        y_ticks=[Tick(y.place(value), f"{100 * value:.3g} %") for value in ticks(y)],
        threshold=x.place(below) if below is not None and below <= shown else None,
    )
