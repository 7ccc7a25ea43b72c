"""Learning only from the images that a network does not know yet."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


@torch.no_grad()
def hardest(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The images with the largest losses, in the order in which they stood.

    Selective backprop (Jiang et al. 2019, arXiv:1910.00762), which takes the paper's chance to be chosen
    as certainty, so that every batch has the same size. The losses are those of the network as it would
    predict: without dropout, and with running batch-norm statistics, which see all images only before
    the selection begins.

    Args:
        network: in training mode, and left so.
        images: (B, C, H, W), augmented.
        labels: (B,).
        share: of the images, rounded to the nearest whole number, at least one.
    """
    network.eval()
    losses = F.cross_entropy(network(images), labels, reduction="none")
    network.train()
    count = max(1, round(share * len(labels)))
    rows = losses.argsort(descending=True, stable=True)[:count].sort().values
    return images[rows].contiguous(memory_format=torch.channels_last), labels[rows]
