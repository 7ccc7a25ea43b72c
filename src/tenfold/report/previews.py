"""Variants of one image as training sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tenfold.augmentation import build
from tenfold.training.loop import to_input
from tenfold.training.state import generator
from tenfold.values.recipe import AugmentSettings

COUNT = 50
"""How many variants are shown where nobody says another number."""


def variants(
    image: NDArray[np.uint8], steps: Sequence[AugmentSettings], seed: int, count: int = COUNT
) -> NDArray[np.uint8]:
    """``count`` augmented copies (N, C, H, W) of ``image`` (C, H, W).

    Args:
        image: 0..255.
        steps: a recipe's augmentations.
        seed: decides the draws.
        count: N.

    Raises:
        UsageError: an augmentation is unknown or has wrong settings.
    """
    batch = to_input(torch.from_numpy(image[None].copy())).repeat(count, 1, 1, 1)
    changed = build(steps)(batch, generator(seed, "previews"))
    return changed.mul(255).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
