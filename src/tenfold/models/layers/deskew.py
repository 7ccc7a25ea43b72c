"""A layer that sets slanted writing upright."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

MASS_FLOOR = 1e-6
"""Added to the ink of an image, so that a blank one has a centre."""
SPREAD_FLOOR = 1e-3
"""Added to the variance over rows, so that a single row is not sheared beyond sight."""


class Deskew(nn.Module):
    """(B, C, H, W), each image sheared along its rows until its ink's slant, mu11 / mu02, is 0.

    The moments are of the brightness in all channels; the shear is about the row of the centre of mass,
    which stays where it is; between pixels it is linear, and 0 comes in from outside (LeCun et al. 1998,
    "Gradient-based learning applied to document recognition", section III.A; Teow & Loe 2002).
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.channels, self.height, self.width = channels, height, width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, y = self.coordinates(images)
        ink = images.sum(1)
        mass = ink.sum((1, 2)) + MASS_FLOOR
        x_mean, y_mean = (ink * x).sum((1, 2)) / mass, (ink * y).sum((1, 2)) / mass
        xy, yy = (ink * (x * y)).sum((1, 2)) / mass, (ink * (y * y)).sum((1, 2)) / mass
        slant = (xy - x_mean * y_mean) / (yy - y_mean * y_mean + SPREAD_FLOOR)
        columns = x + slant[:, None, None] * (y - y_mean[:, None, None])
        grid = torch.stack([columns, y.expand_as(columns)], dim=3)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=True)

    def coordinates(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """X (1, W) and y (H, 1) of the pixels, -1..1 from the first to the last."""
        x = torch.linspace(-1, 1, self.width, dtype=like.dtype, device=like.device)
        y = torch.linspace(-1, 1, self.height, dtype=like.dtype, device=like.device)
        return x[None, :], y[:, None]

    def extra_repr(self) -> str:
        return f"{self.height}x{self.width}"
