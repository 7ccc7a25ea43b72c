"""Learning rate as a function of progress."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import nn

from tenfold.training.optimisers.muon import Muon
from tenfold.values.recipe import TrainSettings

_FOR_THE_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods that torch wraps so that its compiler leaves them alone."""


def _plain(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """``kind`` without what it does for torch's compiler, computing the same.

    The first call of a wrapped method loads the compiler: seconds and 75 MB for each process that trains, and nothing
    here is compiled.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _FOR_THE_COMPILER}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


_ADAMW, _ADAM, _NADAM, _SGD, _MUON = map(
    _plain, (torch.optim.AdamW, torch.optim.Adam, torch.optim.NAdam, torch.optim.SGD, Muon)
)


def build_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """The recipe's optimiser over ``network``; weight decay only on weights, not on biases and batch norms."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    rate = settings.learning_rate
    match settings.optimizer:
        case "adamw":
            return _ADAMW(groups, lr=rate, fused=True)
        case "adam":
            return _ADAM(groups, lr=rate, fused=True)
        case "nadam":
            return _NADAM(groups, lr=rate)
        case "sgd":
            return _SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0, fused=True)
        case "muon":
            # the output's rows are classes, and depthwise filters work each on a channel of its own: no directions to
            # balance
            depthwise = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1}
            hidden = [p for p in weights[:-1] if id(p) not in depthwise]
            groups[0]["params"] = [p for p in weights[:-1] if id(p) in depthwise] + weights[-1:]
            orthogonal = {"params": hidden, "weight_decay": settings.weight_decay, "orthogonal": True}
            return _MUON([orthogonal, *groups] if hidden else groups, rate, settings.momentum)


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
