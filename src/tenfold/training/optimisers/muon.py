"""Muon: momentum whose direction is made orthogonal, for the matrices of a network; AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from tenfold.training.optimisers import groups, plain
from tenfold.values.recipe import TrainSettings

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of the AdamW part, torch's own defaults."""


class Muon(torch.optim.Optimizer):
    """Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), on convolution filters and hidden dense weights.

    A filter bank (out, in, k, k) counts as the matrix (out, in * k * k). Its momentum is replaced by about the
    nearest orthogonal matrix, so that all directions are learnt at the same speed. Steps have the size that
    AdamW's have (Liu et al. 2025, arXiv:2502.16982), so both parts share learning rate and weight decay.

    ``torch.optim.Muon`` takes matrices only and computes in bfloat16, which few CPUs can.

    Args:
        groups: parameter groups; in those with ``"orthogonal": True`` every parameter has two dimensions or more.
        lr: learning rate of all groups.
        momentum: of the orthogonal groups, with Nesterov's correction; 0.95 is usual.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step from the gradients that are there; ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            (self._orthogonal_step if group["orthogonal"] else self._adamw_step)(learning, group)

    def _orthogonal_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for p in parameters:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            momentum = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            direction = orthogonalised(p.grad.lerp(momentum, group["momentum"]).flatten(1))
            size = 0.2 * math.sqrt(max(direction.shape))  # AdamW's steps have a root mean square of about 0.2
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(direction.view(p.shape), alpha=-group["lr"] * size)

    def _adamw_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for p in parameters:
            if not self.state[p]:
                self.state[p].update(
                    exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p), step=torch.tensor(0.0)
                )
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [self.state[p]["exp_avg"] for p in parameters],
            [self.state[p]["exp_avg_sq"] for p in parameters],
            [],
            [self.state[p]["step"] for p in parameters],
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the orthogonal matrix nearest to ``matrix`` (M, N): its singular values become 0.7 to 1.2.

    Newton-Schulz iteration of fifth order with Jordan's coefficients, which reach that range in few
    ``steps`` rather than 1 exactly in many. Each multiplies by a polynomial in the Gram matrix; these are
    multiplied with each other first, and with the matrix, which is larger, only once.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    gram = x @ x.T
    product = polynomial = _polynomial(gram)
    for _ in range(steps - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = _polynomial(gram)
        product = polynomial @ product
    x = product @ x
    return x if wide is matrix else x.T


def _polynomial(gram: Tensor) -> Tensor:
    """What one iteration multiplies a matrix by: a + b G + c G^2 of its Gram matrix (M, M)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    polynomial.diagonal().add_(a)
    return polynomial


_KIND = plain(Muon)


def build(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """See :data:`tenfold.training.optimisers.Build`.

    The output's rows are classes, and depthwise filters work each on a channel of its own: they have no directions to
    balance, so AdamW learns them.
    """
    decaying, others = groups(network, settings)
    weights = decaying["params"]
    depthwise = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1}
    hidden = [p for p in weights[:-1] if id(p) not in depthwise]
    decaying["params"] = [p for p in weights[:-1] if id(p) in depthwise] + weights[-1:]
    orthogonal = {"params": hidden, "weight_decay": settings.weight_decay, "orthogonal": True}
    return _KIND(
        [orthogonal, decaying, others] if hidden else [decaying, others], settings.learning_rate, settings.momentum
    )
