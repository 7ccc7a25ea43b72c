"""Kingma & Ba 2014 (arXiv:1412.6980)."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.training.optimisers import groups, plain
from tenfold.values.recipe import TrainSettings

_KIND = plain(torch.optim.Adam)


def build(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """See :data:`tenfold.training.optimisers.Build`."""
    return _KIND(groups(network, settings), lr=settings.learning_rate, fused=True)
