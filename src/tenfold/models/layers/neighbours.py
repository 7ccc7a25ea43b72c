"""The vote of the nearest rows as a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.models._fitted import fixed
from tenfold.models.layers import LAYERS, Layer, OnnxGraph

TIE = 1e-6
"""Added to every weight, so that neighbours that are all equally near have one."""


class Neighbours(nn.Module):
    """(B, D) to (B, K): logarithms of the shares of each class among the nearest of S rows.

    A neighbour's weight is by how much its squared distance is less than that of the first row that is no
    neighbour any more, after Dudani 1976, "The distance-weighted k-nearest-neighbor rule": a row that
    comes in or drops out does so with weight 0, and no rounding decides.

    Args:
        rows: (S, D).
        votes: (S, K), 1 for the class of each row.
        neighbours: how many vote; fewer if there are fewer rows.
        doubt: added to each class's share.
    """

    def __init__(self, rows: NDArray[Any], votes: NDArray[Any], neighbours: int, doubt: float) -> None:
        super().__init__()
        self.rows, self.votes, self.doubt = fixed(rows), fixed(votes), fixed(torch.tensor([doubt]))
        self.neighbours = neighbours

    @property
    def looked_at(self) -> int:
        """How many rows are looked for: the neighbours and the first row beyond."""
        return min(self.neighbours + 1, len(self.rows))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nearness = torch.addmm(
            -0.5 * (self.rows * self.rows).sum(1), x, self.rows.T
        )  # |x|^2 / 2 less half the squared distance
        values, places = nearness.topk(self.looked_at, dim=1)
        weights = values - values.amin(dim=1, keepdim=True) + TIE
        shares = (weights[:, None, :] @ self.votes[places])[:, 0]
        return (shares / shares.sum(1, keepdim=True) + self.doubt).log()

    def extra_repr(self) -> str:
        return f"{self.neighbours} of {len(self.rows)} rows"


def emit(layer: Neighbours, graph: OnnxGraph, x: str) -> str:
    """The nearest rows by one product of matrices, and their votes by their places."""
    rows, classes, count = layer.rows, layer.votes.shape[1], layer.looked_at
    half = graph.constant("half_norms", -0.5 * (rows * rows).sum(1))
    nearness = graph.node("Gemm", x, graph.constant("rows", rows), half, transB=1)
    values, places = graph.outputs("TopK", nearness, graph.integers("count", [count]), count=2)
    above = graph.node("Sub", values, graph.node("ReduceMin", values, axes=[1], keepdims=1))
    weights = graph.node("Add", above, graph.constant("tie", TIE))
    weights = graph.node("Reshape", weights, graph.integers("one_row", [-1, 1, count]))
    votes = graph.node("MatMul", weights, graph.node("Gather", graph.constant("votes", layer.votes), places, axis=0))
    votes = graph.node("Reshape", votes, graph.integers("flat", [-1, classes]))
    total = graph.node("MatMul", votes, graph.constant("sum", np.ones((classes, 1))))
    return graph.node("Log", graph.node("Add", graph.node("Div", votes, total), graph.constant("doubt", layer.doubt)))


LAYERS.add(
    "neighbours",
    Layer(
        modules=(Neighbours,),
        emit=emit,
        operators=frozenset({"Add", "Div", "Gather", "Gemm", "Log", "MatMul", "ReduceMin", "Reshape", "Sub", "TopK"}),
        cost=lambda layer, before, after: layer.rows.numel() + layer.looked_at * layer.votes.shape[1],
    ),
)
