"""Where a model looks: what covering a part of the image takes away from its answer.

Occlusion (Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2):
a square of background slides over the image; a pixel's value is the mean loss of the answer's
probability over the squares that cover it. Squares without ink change nothing and are not computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SIDE = 0.18
"""Of the square, as a share of the image's height."""


def occlusion(
    image: NDArray[np.uint8],
    target: int,
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    background: int = 0,
) -> NDArray[np.float32]:
    """(H, W) how much of class ``target``'s probability is lost, -1..1.

    Args:
        image: uint8 (C, H, W).
        target: the class.
        predict: uint8 (N, C, H, W) -> probabilities (N, K).
        background: what covered pixels become.
    """
    _, height, width = image.shape
    side = max(2, round(SIDE * height))
    stride = max(1, side // 2)
    corners = [(y, x) for y in range(1 - stride, height, stride) for x in range(1 - stride, width, stride)]
    squares = [(slice(max(y, 0), y + side), slice(max(x, 0), x + side)) for y, x in corners]
    inked = [square for square in squares if (image[:, *square] != background).any()]
    lost, cover = np.zeros((height, width)), np.zeros((height, width))
    for square in squares:
        cover[square] += 1
    if inked:
        covered = np.repeat(image[None], len(inked) + 1, axis=0)
        for copy, square in zip(covered, inked, strict=False):  # the last copy stays whole
            copy[:, *square] = background
        probabilities = predict(covered)[:, target]
        for square, probability in zip(inked, probabilities, strict=False):
            lost[square] += probabilities[-1] - probability
    result: NDArray[np.float32] = (lost / cover).astype(np.float32)
    return result
