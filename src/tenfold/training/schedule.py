"""Learning rate as a function of progress."""

from __future__ import annotations

import math

from tenfold.values.recipe import TrainSettings


def learning_rate(settings: TrainSettings, progress: float, epoch: int) -> float:
    """The rate at ``progress`` (0..1 through all steps) in ``epoch`` (from 0).

    ``one-cycle`` rises linearly over the first ``warmup`` share, then falls to zero along a cosine
    (after Smith & Topin 2017, arXiv:1708.07120); ``cosine`` (Loshchilov & Hutter 2016,
    arXiv:1608.03983) only falls; ``exponential`` multiplies by ``decay`` each epoch; ``plateau`` is
    constant here and lowered by the loop.
    """
    top = settings.learning_rate
    if settings.schedule == "one-cycle" and progress < settings.warmup:
        return top * (0.05 + 0.95 * progress / settings.warmup)
    if settings.schedule in ("one-cycle", "cosine"):
        start = settings.warmup if settings.schedule == "one-cycle" else 0.0
        return top * (0.5 + 0.5 * math.cos(math.pi * (progress - start) / (1 - start)))
    if settings.schedule == "exponential":
        return top * settings.decay**epoch
    return top
