"""Random erasing: a rectangle of some images is painted over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True)
class Erase:
    """Random erasing of Zhong et al. 2017 (arXiv:1708.04896), each image with a rectangle of its own.

    Cutout (DeVries & Taylor 2017, arXiv:1708.04552) is ``probability = 1, aspect = 1, fill = "black"`` with
    ``smallest`` equal to ``largest``, but for squares that reach over the border: here they lie within.

    Attributes:
        probability: share of the images that are changed.
        smallest, largest: bounds of the rectangle's area, as shares of the image.
        aspect: the rectangle's height / width is drawn from ``aspect`` .. ``1 / aspect``, log-uniformly.
        fill: ``black`` is 0, the background of digits; ``noise`` is a random level for every pixel.
    """

    probability: float = 0.5
    smallest: float = 0.02
    largest: float = 0.2
    aspect: float = 0.3
    fill: Literal["black", "noise"] = "black"

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be in 0..1, got {self.probability}")
        if not 0 <= self.smallest <= self.largest <= 1:
            raise ValueError(
                f"smallest and largest must be in 0..1 and in this order, got {self.smallest} and {self.largest}"
            )
        if not 0 < self.aspect <= 1:
            raise ValueError(f"aspect must be above 0 and at most 1, got {self.aspect}")
        if self.fill not in ("black", "noise"):
            raise ValueError(f"fill must be black or noise, got {self.fill!r}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """See :class:`tenfold.augmentation.Augmentation`."""
        b, _, height, width = images.shape
        chosen, area, shape, y, x = torch.rand(5, b, 1, 1, 1, generator=generator)
        area = (self.smallest + area * (self.largest - self.smallest)) * height * width
        ratio = torch.exp((2 * shape - 1) * -math.log(self.aspect))
        tall = (area * ratio).sqrt().round().clamp(max=height)
        wide = (area / ratio).sqrt().round().clamp(max=width)
        top, left = (y * (height - tall + 1)).floor(), (x * (width - wide + 1)).floor()
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
        mask = (inside & (chosen < self.probability)).to(images.device)  # (B, 1, H, W)
        if self.fill == "black":
            return images.masked_fill(mask, 0.0)
        return torch.where(mask, torch.rand(images.shape, generator=generator).to(images.device), images)
