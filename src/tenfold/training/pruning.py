"""Leaving out images that a network knows already, so that an epoch costs less."""

from __future__ import annotations

import torch

from tenfold.values.recipe import Pruning


def kept(losses: torch.Tensor, settings: Pruning, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows that an epoch learns from, and how much each of all N rows counts.

    InfoBatch (Qin et al. 2023, arXiv:2303.04947): of the images whose loss is below the mean a share is left out,
    drawn anew each time, and those that stay count for them, so that gradients stay what they were on average.

    Args:
        losses: (N,), each image's loss when it was last learnt from; infinite before.
        settings: the share.
        generator: decides which.

    Returns:
        (rows (M,) in order, weights float32 (N,)).
    """
    known = losses.isfinite()
    easy = known & (losses < losses[known].mean()) if known.any() else known
    left_out = easy & (torch.rand(len(losses), generator=generator) < settings.share)
    weights = torch.where(easy, 1 / (1 - settings.share), 1.0).to(torch.float32)
    return (~left_out).nonzero()[:, 0], weights
