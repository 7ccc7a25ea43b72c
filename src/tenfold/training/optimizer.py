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
            # the last weights are those of the output, whose rows are classes and not directions to balance
            hidden = {"params": weights[:-1], "weight_decay": settings.weight_decay, "orthogonal": True}
            groups[0]["params"] = weights[-1:]
            return Muon([hidden, *groups] if weights[:-1] else groups, rate, settings.momentum)
