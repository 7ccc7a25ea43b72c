"""Where the time of a training step goes, by what the operators do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

AUGMENTATION = "tenfold.augmentation"
"""Mark the augmentation of a step with ``record_function`` of this name."""

# the first that matches an operator or, from the inside out, one of those that called it
_KINDS = {
    "convolution, backward": r"convolution.*backward|ConvolutionBackward",
    "convolution, forward": r"conv",
    "batch norm": r"batch_norm|BatchNorm",
    "pooling": r"pool|Pool",
    "dense": r"addmm|Addmm|linear|aten::mm$",
    "loss": r"cross_entropy|log_softmax|LogSoftmax|nll_loss|NllLoss",
    "activation": r"relu|Relu|elu|Elu|silu|Silu|threshold|clamp_min",
    "dropout": r"dropout|Dropout|bernoulli",
}
# these own whatever happens within them
_WHOLE = {"augmentation": re.escape(AUGMENTATION), "optimiser": r"^Optimizer\."}

STAGES = (*_WHOLE, *_KINDS, "other")


def stages(step: Callable[[], Any], steps: int = 5) -> dict[str, float]:
    """Seconds of one ``step`` by stage, the mean of ``steps``; a key for every name in ``STAGES``."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler prints a line at its start and at its end
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step()
    totals = dict.fromkeys(STAGES, 0.0)
    for event in profiler.events():
        totals[_stage(event)] += event.self_cpu_time_total / 1e6 / steps
    return totals


def augmentation_mark() -> record_function:
    """A context for the augmentation in a step that :func:`stages` looks at."""
    return record_function(AUGMENTATION)


def _stage(event: Any) -> str:
    callers = []
    while event is not None:
        callers.append(event.name)
        event = event.cpu_parent
    for stage, pattern in _WHOLE.items():
        if any(re.search(pattern, name) for name in callers):
            return stage
    return next((stage for name in callers for stage, pattern in _KINDS.items() if re.search(pattern, name)), "other")
