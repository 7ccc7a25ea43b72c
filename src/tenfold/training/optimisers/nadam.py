"""Dozat 2016: Adam with Nesterov's momentum, as in Keras."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.training.optimisers import groups, plain
from tenfold.values.recipe import TrainSettings

_KIND = plain(torch.optim.NAdam)


def build(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """See :data:`tenfold.training.optimisers.Build`."""
    return _KIND(groups(network, settings), lr=settings.learning_rate)
