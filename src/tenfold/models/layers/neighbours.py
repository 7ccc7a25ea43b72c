"""The vote of the nearest rows as a layer."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.models._fitted import fixed

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
