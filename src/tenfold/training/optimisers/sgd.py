"""Stochastic gradient descent with Nesterov's momentum."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.training.optimisers import groups, plain
from tenfold.values.recipe import TrainSettings

_KIND = plain(torch.optim.SGD)


def build(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """See :data:`tenfold.training.optimisers.Build`."""
    momentum = settings.momentum
    return _KIND(groups(network, settings), settings.learning_rate, momentum, nesterov=momentum > 0, fused=True)
