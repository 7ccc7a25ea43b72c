"""What a network costs, counted rather than measured."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters())


def multiply_adds(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-add operations (MAC) of the forward pass on one image (C, H, W).

    Convolutions and matrix products count; biases, norms, activations and pools do not.
    """
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, *image_shape))
    finally:
        network.train(training)
    return int(counter.get_total_flops()) // 2
