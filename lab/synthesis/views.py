"""A network that looks at an image three times: as it is, narrower and wider.

Digits are digits at any width, within reason; what a network takes for a digit by chance seldom stays one. So the mean
of the
three is more often right, and less often sure of what is no digit.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tenfold.models.layers import LAYERS, Layer, OnnxGraph
from tenfold.values.predictions import PROBABILITY_FLOOR


class SpreadLast(nn.Module):
    """Logits (B, K + 1) -> log-probabilities (B, K): p_k = q_k + q_none / K."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def matrix(self) -> torch.Tensor:
        """(K + 1, K)."""
        return torch.cat([torch.eye(self.classes), torch.full((1, self.classes), 1 / self.classes)])

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        matrix = self.matrix().to(logits)
        return (logits.softmax(1) @ matrix).clamp_min(PROBABILITY_FLOOR).log()


def _spread_last(layer: SpreadLast, graph: OnnxGraph, x: str) -> str:
    spread = graph.node("Gemm", graph.node("Softmax", x, axis=1), graph.constant("spread", layer.matrix()))
    floor = graph.constant("probability_floor", np.float32(PROBABILITY_FLOOR))
    return graph.node("Log", graph.node("Max", spread, floor))


WIDTHS = (0.88, 1.12)


class Stretched(nn.Module):
    """Images (B, C, H, W) -> log-probabilities (B, K): of the mean probability over the image and its stretched views.

    Args:
        network: images to log-probabilities.
        side: W, pixels.
        widths: of the views besides the image itself, relative to it; their middle stays where it is.
    """

    def __init__(self, network: nn.Module, side: int, widths: tuple[float, ...] = WIDTHS) -> None:
        super().__init__()
        self.network = network
        self.matrices = [stretching(side, width) for width in widths]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        views = [images, *(images @ matrix.to(images) for matrix in self.matrices)]
        probabilities = torch.stack([self.network(view).exp() for view in views]).mean(0)
        return probabilities.clamp_min(PROBABILITY_FLOOR).log()


def stretching(side: int, width: float) -> torch.Tensor:
    """(side, side) what a row of pixels is multiplied by to become ``width`` times as wide; linear between pixels, 0
    outside.
    """
    middle = (side - 1) / 2
    source = (np.arange(side) - middle) / width + middle
    distance = np.abs(np.arange(side)[:, None] - source[None, :])
    return torch.from_numpy(np.clip(1 - distance, 0, None).astype(np.float32))


def _stretched(layer: Stretched, graph: OnnxGraph, x: str) -> str:
    views = [x, *(graph.node("MatMul", x, graph.constant("stretching", matrix)) for matrix in layer.matrices)]
    together = graph.mean([graph.node("Exp", graph.chain(layer.network, view)) for view in views])
    floor = graph.constant("probability_floor", np.float32(PROBABILITY_FLOOR))
    return graph.node("Log", graph.node("Max", together, floor))


LAYERS.add("spread-last", Layer((SpreadLast,), _spread_last))
LAYERS.add("stretched", Layer((Stretched,), _stretched))
