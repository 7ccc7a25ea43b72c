"""Loshchilov & Hutter 2017 (arXiv:1711.05101): Adam with weight decay apart from the gradient."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.training.optimisers import groups, plain
from tenfold.values.recipe import TrainSettings

_KIND = plain(torch.optim.AdamW)


def build(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """See :data:`tenfold.training.optimisers.Build`."""
    return _KIND(groups(network, settings), lr=settings.learning_rate, fused=True)
