"""What every layer makes of one image, and the filters that look at it first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.explanation.hooks import captured, evaluating

_UNCHANGED = (nn.Dropout, nn.Flatten, nn.Identity)


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What one layer puts out.

    Attributes:
        name: the kind of layer and its place in the network ("3 Conv2d").
        values: float32, (C, H, W) for a layer of maps, (C,) for a dense one.
    """

    name: str
    values: NDArray[np.float32]


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that compute something, by place and kind, in the order in which they are defined."""
    leaves = [module for module in network.modules() if not list(module.children())]
    return {
        f"{place} {type(module).__name__.lstrip('_')}": module
        for place, module in enumerate(leaves, 1)
        if not isinstance(module, _UNCHANGED)
    }


def activations(network: nn.Module, image: torch.Tensor) -> list[LayerMaps]:
    """The output of every layer for one image, in the order in which the network computes them.

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
    """
    layers = layers_of(network)
    with evaluating(network), torch.no_grad(), captured(layers) as outputs:
        network(image)
    return [LayerMaps(name, output[0].detach().cpu().numpy().astype(np.float32)) for name, output in outputs.items()]


def first_filters(network: nn.Module) -> NDArray[np.float32] | None:
    """(F, C, h, w) the filters of the first convolution; None for a network without one."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return None if first is None else first.weight.detach().cpu().numpy().astype(np.float32)
