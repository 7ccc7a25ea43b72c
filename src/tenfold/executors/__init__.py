"""Run N independent tasks: here, or in processes.

A task is a function, named ``"package.module:function"``, and a JSON object of arguments. The
function gets a :class:`Context` first and returns a JSON object. Nothing but JSON crosses a process
border, so a worker can be a process, another machine, or the same process in a test.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.environment import cores
from tenfold.registry import Registry

Json = dict[str, Any]
OnEvent = Callable[[int, Json], None]


@dataclass(frozen=True)
class Context:
    """What a running task can say and ask.

    Attributes:
        emit: report progress, as a JSON object.
        should_stop: whether to stop at the next safe point; the task then raises ``Stopped``.
    """

    emit: Callable[[Json], None]
    should_stop: Callable[[], bool]


class Executor(ABC):
    """A way to run tasks.

    Args:
        workers: how many tasks run at once.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = max(1, workers)

    @abstractmethod
    def stream(self, function: str, tasks: Iterable[Mapping[str, Any]], on_event: OnEvent) -> Iterator[tuple[int, Json]]:
        """Run ``function`` on each of ``tasks``; (index of the task, result) as they end.

        A task is asked for when a worker is free for it, so there may be any number of them.

        Args:
            function: ``"package.module:name"``.
            tasks: the arguments, JSON objects.
            on_event: called in this process with (index of the task, what it emitted).

        Raises:
            TenfoldError: the first task that failed, after the others were stopped cleanly.
            Stopped: SIGINT or SIGTERM came; every running task has stopped at a safe point.
        """

    def map(self, function: str, tasks: Sequence[Mapping[str, Any]], on_event: OnEvent) -> list[Json]:
        """The results of :meth:`stream`, in the order of the tasks."""
        results = dict(self.stream(function, tasks, on_event))
        return [results[index] for index in range(len(tasks))]


EXECUTORS: Registry[Callable[..., Executor]] = Registry("tenfold.executors", "executor")


def at_once(executor: str, workers: int | None, tasks: int) -> int:
    """How many of ``tasks`` to run at once: ``workers``, or one a core, or on a cluster all of them."""
    on_cluster = executor == "ray" and os.environ.get("RAY_ADDRESS") is not None
    return max(1, min(workers or (tasks if on_cluster else cores()), tasks))


def resolve(function: str) -> Callable[..., Json]:
    """The function that ``"package.module:name"`` names."""
    module, _, name = function.partition(":")
    found: Callable[..., Json] = getattr(importlib.import_module(module), name)
    return found
