"""Rotation, shear, zoom and shift of each image by its own random affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Affine:
    """One random affine map per image, about the image's centre, interpolated.

    Attributes:
        rotation: degrees.
        shear: degrees.
        zoom: relative, 0.1 is 10 %; drawn for x and y separately.
        shift: pixels, drawn for x and y separately.
        distribution: ``uniform`` draws from -v..v, ``normal`` with standard deviation v.
        interpolation: ``bilinear``, or ``nearest`` as the Kaggle notebook does.
        zoom_centre: the mean zoom; 1 keeps the size on average (the notebook's 1.1 does not).
    """

    rotation: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    distribution: Literal["uniform", "normal"] = "uniform"
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    zoom_centre: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rotation", "shear", "zoom", "shift"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.distribution not in ("uniform", "normal"):
            raise ValueError(f"distribution must be uniform or normal, got {self.distribution!r}")
        if self.interpolation not in ("bilinear", "nearest"):
            raise ValueError(f"interpolation must be bilinear or nearest, got {self.interpolation!r}")
        if self.zoom_centre <= 0:
            raise ValueError(f"zoom_centre must be positive, got {self.zoom_centre}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """See :class:`tenfold.augmentation.Augmentation`; pixels from outside are 0."""
        b, _, height, width = images.shape
        draws = self._draw(b, generator).to(images.device)
        angle, shear = torch.deg2rad(draws[0] * self.rotation), torch.deg2rad(draws[1] * self.shear)
        # the grid says where each output pixel comes from, so a zoom in is a smaller step
        zoom_x = 1 / (self.zoom_centre + draws[2] * self.zoom).clamp_min(0.1)
        zoom_y = 1 / (self.zoom_centre + draws[3] * self.zoom).clamp_min(0.1)
        cos, sin, slant = torch.cos(angle), torch.sin(angle), torch.tan(shear)
        aspect = height / width
        theta = torch.stack(
            [
                torch.stack(
                    [cos * zoom_x, (slant * cos - sin) * zoom_y * aspect, draws[4] * self.shift * 2 / width], 1
                ),
                torch.stack(
                    [sin * zoom_x / aspect, (slant * sin + cos) * zoom_y, draws[5] * self.shift * 2 / height], 1
                ),
            ],
            1,
        )
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, mode=self.interpolation, padding_mode="zeros", align_corners=False)

    def _draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        if self.distribution == "normal":
            return torch.randn(6, count, generator=generator)
        return torch.rand(6, count, generator=generator) * 2 - 1
