"""The radial basis function as a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.models._fitted import fixed
from tenfold.models.layers import LAYERS, Layer, OnnxGraph


class Kernel(nn.Module):
    """(B, D) to (B, S): exp(-|x - v|^2 / 2) for each of the S rows v of ``vectors`` (S, D).

    A kernel exp(-gamma |x - v|^2) is this one for inputs and vectors that are scaled by sqrt(2 gamma).
    """

    def __init__(self, vectors: NDArray[Any]) -> None:
        super().__init__()
        self.vectors = fixed(vectors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = 0.5 * (self.vectors * self.vectors).sum(1)
        product = torch.addmm(-half, x, self.vectors.T)
        return product.sub_(0.5 * (x * x).sum(1, keepdim=True)).exp_()

    def extra_repr(self) -> str:
        return f"{len(self.vectors)} vectors"


def emit(layer: Kernel, graph: OnnxGraph, x: str) -> str:
    """exp(x.v - |v|^2 / 2 - |x|^2 / 2): one product of matrices."""
    vectors = layer.vectors
    half = graph.constant("half_norms", -0.5 * (vectors * vectors).sum(1))
    product = graph.node("Gemm", x, graph.constant("vectors", vectors), half, transB=1)
    halves = graph.constant("halves", np.full((vectors.shape[1], 1), 0.5))
    return graph.node("Exp", graph.node("Sub", product, graph.node("MatMul", graph.node("Mul", x, x), halves)))


LAYERS.add(
    "kernel",
    Layer(
        modules=(Kernel,),
        emit=emit,
        operators=frozenset({"Exp", "Gemm", "MatMul", "Mul", "Sub"}),
        cost=lambda layer, before, after: layer.vectors.numel(),
        c={"Exp": "expf(x[i])"},
    ),
)
