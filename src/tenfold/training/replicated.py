"""Starting the replicas that train one network together: as processes of this machine, or as those that torchrun started.

With ``train.replicas = N`` the task of a member, wherever an executor put it, starts N processes and hands on what they
report. Under ``torchrun``, whose processes may be on several machines, the first runs the command and the others
wait for it to name a member.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist

from tenfold.atomic import make_directory
from tenfold.errors import Stopped, UsageError
from tenfold.executors import Context, Json
from tenfold.executors.processes import Processes
from tenfold.signals import stop_flag
from tenfold.training.replicas import PATIENCE, Replicas, join, leave, under_torchrun
from tenfold.values.run import Run

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
            raise UsageError(f"torchrun started {replicas.world} processes, but train.replicas is {world}; make them equal")
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
