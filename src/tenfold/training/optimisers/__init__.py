"""Optimisers, a file each, and the learning rate as a function of progress.

A file holds ``build(network, settings)``, which gives the optimiser of a recipe's ``[train]`` table; other packages
name such a function as an entry point of the group ``tenfold.training.optimisers``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tenfold.registry import Registry
from tenfold.values.recipe import TrainSettings

Build = Callable[[nn.Module, TrainSettings], torch.optim.Optimizer]
OPTIMISERS: Registry[Build] = Registry(__name__, "optimizer", attribute="build")

_FOR_THE_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods that torch wraps so that its compiler leaves them alone."""


def plain(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """``kind`` without what it does for torch's compiler, computing the same.

    The first call of a wrapped method loads the compiler: seconds and 75 MB for each process that trains, and nothing
    here is compiled.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _FOR_THE_COMPILER}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def groups(network: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Parameter groups: weights, which decay, and biases and batch norms, which do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]


def build_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """The recipe's optimiser over ``network``.

    Raises:
        UsageError: no such optimiser.
    """
    return OPTIMISERS.get(settings.optimizer)(network, settings)


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
