"""Several processes that train one network together: data parallelism, as the notebook's TPU strategy had it.

Each replica computes the gradients of its part of a batch, and all of them take the mean. They begin with the same
weights and take the same steps, so each has the whole state, and any of them could write the checkpoint; the first
does.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from tenfold.errors import ResourceError, Stopped, UsageError
from tenfold.executors import Context, Json
from tenfold.executors.processes import Processes
from tenfold.files import make_directory
from tenfold.runtime import stop_flag
from tenfold.values.run import Run

BACKENDS = "cpu:gloo,cuda:nccl"
"""Gloo moves tensors of the CPU, NCCL those of GPUs."""
PATIENCE = timedelta(minutes=30)
"""How long a replica waits for the others before it counts them as lost."""


class Replicas:
    """This process's place among the replicas.

    Attributes:
        rank: number of this one, from 0.
        world: how many there are; 1 is a training like any other.
        stopping: whether any of them was asked to stop before the last step.
    """

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank = rank
        self.world = world
        self.stopping = False

    @property
    def tag(self) -> tuple[int, ...]:
        """What a seed gets that must differ between replicas; empty for a training like any other."""
        return (self.rank,) if self.world > 1 else ()

    def part(self, batch: int) -> slice:
        """This replica's part of a batch of so many images, a multiple of ``world``."""
        size = batch // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def share(self, network: nn.Module, sums: torch.Tensor, *, stop: bool) -> torch.Tensor:
        """Bring gradients and batch-norm statistics to their mean over the replicas; ``sums`` (S,) to their sum.

        Everything goes in one message, with whether someone wants to ``stop``: all then know it after the same step.

        Raises:
            ResourceError: a replica is gone.
        """
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        buffers = [b for b in network.buffers() if b.is_floating_point()]
        asked = sums.new_tensor([float(stop)])
        message = torch.cat([t.reshape(-1) for t in (*grads, *buffers, sums.float() * self.world, asked.float())])
        add_up(message)
        message /= self.world
        place = 0
        for tensor in (*grads, *buffers):
            tensor.copy_(message[place : place + tensor.numel()].view_as(tensor))
            place += tensor.numel()
        self.stopping = bool(message[-1] > 0)
        return message[place:-1].to(sums.dtype)

    def synchronise_batch_norms(self, network: nn.Module) -> None:
        """Let batch norms of ``network`` see the whole batch, not this replica's part of it.

        torch's own ``SyncBatchNorm`` does that on GPUs only.
        """
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.forward = functools.partial(_whole_batch_norm, module, self.world)  # type: ignore[method-assign]


ALONE = Replicas()


def under_torchrun() -> bool:
    """Whether this process is one of several that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def join(rank: int, world: int, **how: Any) -> Replicas:
    """Meet the other replicas; ``how`` is what ``torch.distributed.init_process_group`` takes.

    Raises:
        ResourceError: they did not come.
    """
    try:
        dist.init_process_group(BACKENDS if torch.cuda.is_available() else "gloo", rank=rank, world_size=world, **how)
    except (RuntimeError, ValueError) as error:
        raise _lost(error) from error
    return Replicas(rank, world)


def leave() -> None:
    """Part from the other replicas."""
    if dist.is_initialized():
        dist.destroy_process_group()


def add_up(tensor: torch.Tensor) -> None:
    """Replace ``tensor`` by its sum over all replicas.

    Raises:
        ResourceError: a replica is gone.
    """
    try:
        dist.all_reduce(tensor)
    except RuntimeError as error:
        raise _lost(error) from error


def _lost(error: Exception) -> ResourceError:
    first = str(error).splitlines()[0][:200]
    return ResourceError(f"a replica was lost or did not come ({first}); finished work is kept, resume to go on")


class _Sum(torch.autograd.Function):
    """The sum over the replicas; what one of them gets from it, all have given, so gradients are added up, too."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        """``tensor`` added up over the replicas."""
        total = tensor.clone()
        add_up(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        """The gradients of all."""
        total = grads[0].contiguous().clone()
        add_up(total)
        return total


def _added_up(tensor: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
    return total


def _whole_batch_norm(module: nn.modules.batchnorm._BatchNorm, world: int, images: torch.Tensor) -> torch.Tensor:
    """Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) whose mean and variance are of all replicas'
    images.
    """
    if not module.training:
        return type(module).forward(module, images)
    dims = [0, *range(2, images.ndim)]
    shape = [1, -1, *[1] * (images.ndim - 2)]
    values = images.float()
    mean = _added_up(values.mean(dims)) / world
    centred = values - mean.view(shape)
    variance = _added_up(centred.square().mean(dims)) / world
    with torch.no_grad():
        count = world * values.numel() / values.shape[1]
        if module.running_mean is not None and module.running_var is not None:
            assert module.num_batches_tracked is not None
            module.num_batches_tracked += 1
            momentum = module.momentum if module.momentum is not None else 1 / float(module.num_batches_tracked)
            module.running_mean.lerp_(mean, momentum)
            module.running_var.lerp_(variance * (count / max(1.0, count - 1)), momentum)
    normal = centred * torch.rsqrt(variance + module.eps).view(shape)
    if module.affine:
        normal = normal * module.weight.view(shape) + module.bias.view(shape)
    return normal.to(images.dtype)


TASK = "tenfold.training.member:train_replica"
Train = Callable[..., Json]


def train_together(context: Context, world: int, task: Mapping[str, Any], train: Train) -> Json:
    """Train a member by ``world`` processes; what the first of them returns.

    Args:
        context: how to report and when to stop.
        world: how many.
        task: the arguments of :func:`tenfold.training.member.train_member`.
        train: trains as one of several: (context, replicas, **task).

    Raises:
        ResourceError: one of them was lost.
        Stopped: ``context`` asked to.
        UsageError: torchrun started another number of processes.
    """
    if under_torchrun():
        replicas = _joined()
        if replicas.world != world:
            raise UsageError(
                f"torchrun started {replicas.world} processes, but train.replicas is {world}; make them equal"
            )
        _send(dict(task))
        return train(context, replicas, **task)
    folder = make_directory(Run(task["run"]).checkpoint_path(task["member"]))
    meeting = folder / f".meeting-{os.urandom(8).hex()}"
    tasks = [{**task, "rank": rank, "world": world, "meeting": f"file://{meeting}"} for rank in range(world)]

    def hear(rank: int, event: Json) -> None:
        if context.should_stop():
            raise Stopped("stopped; the checkpoint is written")
        context.emit(event)

    try:
        return Processes(world).map(TASK, tasks, hear)[0]
    finally:
        meeting.unlink(missing_ok=True)


def serve(train: Train) -> None:
    """Take part in whatever the first of torchrun's processes trains, until it is done."""
    try:
        with stop_flag() as flag:
            replicas = _joined()
            while (task := _receive()) is not None:
                train(Context(lambda event: None, flag), replicas, **task)
    except Stopped:
        pass  # the first process says so
    finally:
        leave()


def dismiss() -> None:
    """Let go of the other processes, if torchrun started any."""
    if not under_torchrun():
        return
    _joined()
    _send(None)
    leave()


def _joined() -> Replicas:
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return Replicas(rank, world) if dist.is_initialized() else join(rank, world, init_method="env://", timeout=PATIENCE)


def _send(content: Json | None) -> None:
    text = torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8)
    dist.broadcast(torch.tensor([len(text)]), 0)
    dist.broadcast(text, 0)


def _receive() -> Json | None:
    size = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(size, 0)
    text = torch.empty(int(size), dtype=torch.uint8)
    dist.broadcast(text, 0)
    found: Json | None = json.loads(bytes(text.tolist()))
    return found
