"""Occlusion: how much a class loses when a part of the image is covered."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.explanation.hooks import evaluating

BATCH = 256


def occlusion(network: nn.Module, image: torch.Tensor, target: int, window: int = 5, stride: int = 1) -> NDArray[np.float32]:
    """The mean loss of the logit of ``target`` over all black squares that cover a pixel.

    M. D. Zeiler, R. Fergus, ECCV 2014 (arXiv:1311.2901).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.
        window: side of the square in pixels; cut where the image is smaller.
        stride: pixels from one square to the next.

    Returns:
        float32 (H, W); positive where covering costs.
    """
    height, width = image.shape[2:]
    boxes = [
        (slice(top, top + min(window, height)), slice(left, left + min(window, width)))
        for top in _starts(height, window, stride)
        for left in _starts(width, window, stride)
    ]
    covered = image.repeat(len(boxes), 1, 1, 1)
    for place, (rows, columns) in enumerate(boxes):
        covered[place, :, rows, columns] = 0
    with evaluating(network), torch.no_grad():
        whole = network(image)[0, target]
        losses = whole - torch.cat([network(part)[:, target] for part in torch.split(covered, BATCH)])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for loss, box in zip(losses.cpu().tolist(), boxes, strict=True):
        total[box] += loss
        count[box] += 1
    return (total / count).astype(np.float32)


def _starts(size: int, window: int, stride: int) -> list[int]:
    """Where squares begin, so that they cover everything and none reaches beyond the edge."""
    last = max(size - window, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]
