"""Learning from smaller images first."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def shrunk(images: torch.Tensor, size: int) -> torch.Tensor:
    """float32 images (B, C, H, W) as (B, C, ``size``, ``size``), interpolated without aliasing, channels last.

    Progressive resizing (Howard 2018; Tan & Le 2021, arXiv:2104.00298, who also strengthen the augmentation
    as images grow). The network must take images of either size: it ends with GAP or GMP, not with FLAT.
    """
    small = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return small.contiguous(memory_format=torch.channels_last)
