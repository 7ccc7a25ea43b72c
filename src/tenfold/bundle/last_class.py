"""A network that learnt an extra last class, "none of them", as one of the other classes only.

What it gives to "none" is spread over the classes evenly, so that the probabilities still sum to 1, every reader of
bundles takes them, and an image of nothing known has no confident answer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tenfold.bundle.onnx_graph import Graph, emit
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


@emit.register
def _(layer: SpreadLast, graph: Graph, x: str) -> str:
    spread = graph.node("Gemm", graph.node("Softmax", x, axis=1), graph.constant("spread", layer.matrix()))
    floor = graph.constant("probability_floor", np.float32(PROBABILITY_FLOOR))
    return graph.node("Log", graph.node("Max", spread, floor))
