"""Grad-CAM: which places of the last maps speak for a class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from tenfold.explanation.activations import layers_of
from tenfold.explanation.hooks import captured, evaluating
from tenfold.models.crop import Crop

LEAST = 5


def grad_cam(network: nn.Module, image: torch.Tensor, target: int) -> NDArray[np.float32] | None:
    """How much each place of the last layer with useful maps speaks for ``target``, spread over the image.

    The maps are weighted by the mean gradient of the class's logit, summed, and what speaks against is cut off.
    R. R. Selvaraju et al., "Grad-CAM", ICCV 2017 (arXiv:1610.02391).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.

    Returns:
        float32 (H, W), 0 or more; None for a network without layers of maps.
    """
    found = coarse_grad_cam(network, image, target)
    if found is None:
        return None
    height, width = image.shape[2:]
    cut = sum(module.pixels for module in network.modules() if isinstance(module, Crop))
    spread = F.interpolate(found, size=(height - 2 * cut, width - 2 * cut), mode="bilinear", align_corners=False)
    return F.pad(spread, (cut,) * 4)[0, 0].numpy()


def coarse_grad_cam(network: nn.Module, image: torch.Tensor, target: int) -> torch.Tensor | None:
    """The same before it is spread: float32 (1, 1, h, w), the size of the last layer's maps."""
    with evaluating(network), torch.enable_grad(), captured(layers_of(network)) as outputs:
        # the image needs gradients, since the weights have none
        score = network(image.detach().clone().requires_grad_())[0, target]
        name = last_map_layer(outputs)
        if name is None:
            return None
        maps = outputs[name]
        (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps).sum(dim=1, keepdim=True).clamp_min(0).detach().cpu()


def last_map_layer(outputs: dict[str, torch.Tensor]) -> str | None:
    """The last layer with maps of at least ``LEAST`` pixels a side: later ones say little about places. Failing that, any."""
    maps = [name for name, output in outputs.items() if output.ndim == 4 and max(output.shape[2:]) > 1]
    fine = [name for name in maps if min(outputs[name].shape[2:]) >= LEAST]
    return next(iter((fine or maps)[::-1]), None)
