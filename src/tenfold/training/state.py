"""Everything that a training needs to go on: weights, optimiser, averages and the place in the data."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from tenfold.errors import IntegrityError, UsageError
from tenfold.files import make_directory, refused, write_bytes


def derive(*parts: int | str) -> int:
    """A 63-bit seed from ``parts``; different parts give unrelated seeds."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A fresh CPU generator seeded from ``parts``."""
    return torch.Generator().manual_seed(derive(*parts))


DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` takes CUDA or MPS where present, else the CPU.

    Raises:
        UsageError: unknown, or not on this machine.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if name not in present:
        raise UsageError(f"unknown device {name!r}; expected one of: {', '.join(DEVICES)}")
    if not present[name]:
        raise UsageError(
            f"no {name} device on this machine; there are: {', '.join(d for d, there in present.items() if there)}"
        )
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` has instructions for products of bfloat16, so that they are quicker than those of float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):  # it may be limited
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def own_device(device: torch.device, rank: int) -> torch.device:
    """The device of replica ``rank``: GPUs are dealt out, by torchrun's number on this machine if it started us.

    Raises:
        UsageError: there are fewer GPUs than replicas; NCCL takes one each.
    """
    if device.type != "cuda":
        return device
    number, there = int(os.environ.get("LOCAL_RANK", rank)), torch.cuda.device_count()
    if number >= there:
        raise UsageError(
            f"every replica takes a GPU of its own, and this machine has {there}; set train.replicas to {there} or"
            " fewer"
        )
    return torch.device("cuda", number)


def prepare(device: torch.device) -> None:
    """Settings of this process that training relies on: one thread, no denormals, tf32 on CUDA."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True


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
        losses: float32 (N,), of each training image when it was last learnt from before this epoch; empty without
            pruning.
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


KEPT = 2


def save_checkpoint(folder: Path, tensors: Tensors, position: dict[str, Any], *, within: Path | None = None) -> Path:
    """Write a checkpoint, named by its place and its hash; keep the two newest.

    ``within`` is a folder above that must be there; see :func:`tenfold.files.make_directory`.
    """
    make_directory(folder, within=within)
    content = _serialise(tensors, {"position": json.dumps(position)})
    name = f"{position['epoch']:06d}-{position['step']:08d}-{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
    write_bytes(folder / name, content)
    for old in sorted(folder.glob("*.safetensors"))[:-KEPT]:
        try:
            old.unlink(missing_ok=True)  # a worker whose parent was killed may still be at it, with the same bits
        except OSError as error:
            raise refused(old, error, "remove") from error
    return folder / name


def load_newest(folder: Path) -> tuple[tuple[Tensors, dict[str, Any]] | None, list[str]]:
    """The newest checkpoint whose content matches its name, and the names of newer ones that don't.

    Raises:
        IntegrityError: there are checkpoints, but all of them are damaged, or the newest is not one of ours.
    """
    damaged: list[str] = []
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:32] != path.stem.rpartition("-")[2]:
            damaged.append(path.name)
            continue
        return (deserialise(content, path), _position(content, path)), damaged
    if damaged:
        raise IntegrityError(
            f"all checkpoints in {folder} are damaged: {', '.join(damaged)}; start again without --resume"
        )
    return None, damaged


def save_weights(path: Path, weights: Tensors) -> str:
    """Write final weights; returns the SHA-256 of the file."""
    return write_bytes(path, _serialise(weights, {}))


def weights_sha256(weights: Tensors) -> str:
    """What :func:`save_weights` would return."""
    return hashlib.sha256(_serialise(weights, {})).hexdigest()


def load_weights_file(path: Path, sha256: str) -> Tensors:
    """Read weights whose file must have this hash.

    Raises:
        IntegrityError: missing, another hash, or not safetensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"cannot read the weights {path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(f"{path}: SHA-256 differs from the one recorded at training")
    return deserialise(content, path)


def deserialise(content: bytes, path: Path) -> Tensors:
    """The tensors of a safetensors file's content.

    Raises:
        IntegrityError: it is not one.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(f"{path} is not a safetensors file: {error}") from error


def _position(content: bytes, path: Path) -> dict[str, Any]:
    """The place that a checkpoint's header names; whoever wrote the file may have written the hash in its name, too."""
    length = int.from_bytes(content[:8], "little")
    try:
        position = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["position"])
        if all(isinstance(position[name], int) and position[name] >= 0 for name in ("epoch", "step")):
            return position
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    raise IntegrityError(f"the checkpoint {path} holds no position; start again without --resume")


def _serialise(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
