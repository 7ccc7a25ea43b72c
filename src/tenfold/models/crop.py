"""A layer that cuts off the border."""

from __future__ import annotations

import torch
from torch import nn


class Crop(nn.Module):
    """(B, C, H, W) without ``pixels`` rows and columns on each side; whoever exports it wants to know ``channels``, C."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.channels, self.pixels = channels, pixels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n = self.pixels
        return images[:, :, n:-n, n:-n]

    def extra_repr(self) -> str:
        return f"{self.pixels}"
