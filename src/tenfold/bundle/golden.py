"""The question that every bundle is asked when it is made, and may be asked again wherever it is put to work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN_TOLERANCE = 1e-3
"""How far probabilities may be from those recorded: another processor rounds otherwise, damage is far more."""


def golden_image(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The image of ``shape`` (C, H, W) that it is asked about: made by arithmetic, the same for ever."""
    c, y, x = np.indices(shape)
    image: NDArray[np.uint8] = ((37 * c + x * x + 3 * x * y + 2 * y * y) % 256).astype(np.uint8)
    return image
