"""Optimisers by the names that recipes use."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.training.muon import Muon
from tenfold.values.recipe import TrainSettings


def build_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """The recipe's optimiser over ``network``; weight decay only on weights, not on biases and batch norms."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    rate = settings.learning_rate
    match settings.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, fused=True)
        case "nadam":
            return torch.optim.NAdam(groups, lr=rate)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0, fused=True)
        case "muon":
            # the output's rows are classes, and depthwise filters work each on a channel of its own: no directions to balance
            depthwise = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1}
            hidden = [p for p in weights[:-1] if id(p) not in depthwise]
            groups[0]["params"] = [p for p in weights[:-1] if id(p) in depthwise] + weights[-1:]
            orthogonal = {"params": hidden, "weight_decay": settings.weight_decay, "orthogonal": True}
            return Muon([orthogonal, *groups] if hidden else groups, rate, settings.momentum)
