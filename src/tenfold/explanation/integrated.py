"""Integrated gradients: each pixel's share of a class's logit."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.explanation.hooks import evaluating

STEPS = 50


def integrated_gradients(network: nn.Module, image: torch.Tensor, target: int, steps: int = STEPS) -> NDArray[np.float32]:
    """What each pixel adds to the logit of ``target``, from an empty image to this one.

    The gradients along the straight way from black to the image, by the Gauss-Legendre rule, times the image. They add up
    to the difference of the two logits. M. Sundararajan, A. Taly, Q. Yan, ICML 2017 (arXiv:1703.01365).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.
        steps: points on the way.

    Returns:
        float32 (C, H, W).
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    places = torch.from_numpy((nodes + 1) / 2).to(image).view(-1, 1, 1, 1)
    shares = torch.from_numpy(weights / 2).to(image).view(-1, 1, 1, 1)
    with evaluating(network), torch.enable_grad():
        way = (places * image).detach().requires_grad_()
        (gradients,) = torch.autograd.grad(network(way)[:, target].sum(), way)
    return ((gradients * shares).sum(dim=0) * image[0]).detach().cpu().numpy()
