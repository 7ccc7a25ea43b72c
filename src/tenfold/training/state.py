"""Everything that a training needs to go on: weights, optimiser, averages and the place in the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from tenfold.errors import IntegrityError

Tensors = dict[str, torch.Tensor]


@dataclass
class Position:
    """Where a training is. JSON-able; with the tensors it decides every later bit.

    Attributes:
        epoch: epochs that are complete.
        step: steps done in the epoch under way.
        averaged: how many weights the average is of.
        rate_factor: what plateaus have made of the learning rate.
        reference: the monitored figure at its last improvement by ``min_delta``, signed so that more is better.
        waited: epochs since then.
        plateau_waited: epochs since the validation loss last improved.
        history: a dict for each complete epoch.
        best_epoch: the epoch (from 1) with the best monitored figure, 0 before the first.
        stopped_early: early stopping has ended the training.
    """

    epoch: int = 0
    step: int = 0
    averaged: int = 0
    rate_factor: float = 1.0
    reference: float | None = None
    waited: int = 0
    plateau_waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    stopped_early: bool = False


class TrainingState:
    """A network in training.

    Attributes:
        network: the live network.
        optimizer: its optimiser.
        average: running mean of weights and batch-norm statistics, by name; empty until it starts.
        best: weights of the best epoch so far, by name; empty before.
        losses: float32 (N,), of each training image when it was last learnt from before this epoch; empty without pruning.
        fresh: the same with what this epoch has found so far.
        running: float64 (3,), of the epoch under way: sum of losses, number of correct answers, number of images.
        position: see :class:`Position`.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.network = network
        self.optimizer = optimizer
        self.average: Tensors = {}
        self.best: Tensors = {}
        self.losses = torch.empty(0)
        self.fresh = torch.empty(0)
        self.running = torch.zeros(3, dtype=torch.float64, device=device)
        self.position = Position()

    def current_weights(self) -> Tensors:
        """The weights that would be used if training ended now: the average if there is one, else the live ones."""
        return self.average or weights_of(self.network)

    def update_average(self) -> None:
        """Take the live weights into the running mean (Izmailov et al. 2018, arXiv:1803.05407, every step)."""
        live = weights_of(self.network)
        self.position.averaged += 1
        if not self.average:
            self.average = {name: tensor.clone() for name, tensor in live.items()}
        else:
            torch._foreach_lerp_([self.average[name] for name in live], list(live.values()), 1 / self.position.averaged)

    def pack(self) -> tuple[Tensors, dict[str, Any]]:
        """All tensors by flat names, and the position as JSON."""
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{k}": torch.as_tensor(v) for k, v in moments.items() if v is not None}
        tensors["running"] = self.running
        tensors |= {"losses/before": self.losses, "losses/fresh": self.fresh} if len(self.losses) else {}
        return tensors, asdict(self.position)

    def unpack(self, tensors: Tensors, position: dict[str, Any]) -> None:
        """Go back to what :meth:`pack` returned.

        Raises:
            IntegrityError: the tensors are not those of this network and optimiser.
        """
        groups: dict[str, Tensors] = {"network": {}, "average": {}, "best": {}, "optimizer": {}, "losses": {}}
        try:
            for name, tensor in tensors.items():
                if name != "running":
                    kind, _, rest = name.partition("/")
                    groups[kind][rest] = tensor
            self.network.load_state_dict(groups["network"])
            self.running = tensors["running"].to(self.running.device)
            live = weights_of(self.network)
            self.average = {k: _laid_as(live[k], v) for k, v in groups["average"].items()}
            self.best = {k: _laid_as(live[k], v) for k, v in groups["best"].items()}
            if groups["losses"]:
                self.losses, self.fresh = groups["losses"]["before"], groups["losses"]["fresh"]
            self._unpack_optimizer(groups["optimizer"])
            self.position = Position(**position)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise IntegrityError(f"the checkpoint does not fit this recipe: {error}") from error

    def _unpack_optimizer(self, tensors: Tensors) -> None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            index, _, moment = name.partition("/")
            state.setdefault(int(index), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        for parameter, moments in self.optimizer.state.items():
            for moment, tensor in moments.items():
                if isinstance(tensor, torch.Tensor) and tensor.shape == parameter.shape and tensor.ndim:
                    moments[moment] = _laid_as(parameter, tensor)


def _laid_as(like: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor`` with the device and memory layout of ``like``: fused updates walk both in memory order."""
    return torch.empty_like(like, requires_grad=False).copy_(tensor)


def weights_of(network: nn.Module) -> Tensors:
    """The floating-point tensors that make the network: parameters and batch-norm statistics, detached."""
    return {name: tensor.detach() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def load_weights(network: nn.Module, weights: Tensors) -> None:
    """Put ``weights`` into ``network``.

    Raises:
        IntegrityError: a missing, extra, wrongly shaped or non-finite tensor, by name.
    """
    expected = weights_of(network)
    if missing := sorted(expected.keys() - weights.keys()):
        raise IntegrityError(f"the weights lack {', '.join(missing)}")
    if extra := sorted(weights.keys() - expected.keys()):
        raise IntegrityError(f"the weights hold tensors that the network does not have: {', '.join(extra)}")
    for name, tensor in weights.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.dtype != want.dtype:
            found = f"{tensor.dtype} {tuple(tensor.shape)}"
            raise IntegrityError(f"tensor {name}: found {found}, expected {want.dtype} {tuple(want.shape)}")
        if not torch.isfinite(tensor).all():
            raise IntegrityError(f"tensor {name} holds NaN or infinity")
    network.load_state_dict(weights, strict=False)
