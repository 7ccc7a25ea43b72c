"""Test-time augmentation by shifts: a network's mean opinion of an image and of its neighbours a pixel away."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from tenfold.training.loop import predict_proba


def predict_shifted(network: nn.Module, images: torch.Tensor, offsets: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Class probabilities, float32 (N, K): the mean over the ``offsets`` (down, right), in pixels, of uint8 ``images``.

    What comes in from outside is 0. It costs as many predictions as there are offsets.
    """
    total = torch.zeros(())
    for down, right in offsets:
        total = total + predict_proba(network, F.pad(images, (right, -right, down, -down)))
    return total / len(offsets)
