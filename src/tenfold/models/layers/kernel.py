"""The radial basis function as a layer."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.models._fitted import fixed


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
