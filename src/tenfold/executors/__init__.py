"""Run N independent tasks: here, in processes, or where a plugin runs them.

A task is a function, named ``"package.module:function"``, and a JSON object of arguments. The
function gets a :class:`Context` first and returns a JSON object. Nothing but JSON crosses a process
border, so a worker can be a process, another machine, or the same process in a test.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.errors import DataError, IntegrityError, UsageError
from tenfold.registry import Registry
from tenfold.runtime import cores

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
        cores: that each of them takes, where that has to be said.
    """

    def __init__(self, workers: int = 1, *, cores: int = 1) -> None:
        self.workers = max(1, workers)
        self.cores = max(1, cores)

    @classmethod
    def capacity(cls, taken: int) -> int | None:
        """How many tasks that take ``taken`` cores each can run at once; None where nobody here knows."""
        return cores() // taken

    @abstractmethod
    def stream(
        self, function: str, tasks: Iterable[Mapping[str, Any]], on_event: OnEvent, *, keep_going: bool = False
    ) -> Iterator[tuple[int, Json]]:
        """Run ``function`` on each of ``tasks``; (index of the task, result) as they end.

        A task is asked for when a worker is free for it, so there may be any number of them.

        Args:
            function: ``"package.module:name"``.
            tasks: the arguments, JSON objects.
            on_event: called in this process with (index of the task, what it emitted).
            keep_going: let the others finish if a failure concerns one task only; see :func:`concerns_all`.

        Raises:
            TenfoldError: the first task that failed, after the others were stopped cleanly, or are done.
            Stopped: SIGINT or SIGTERM came; every running task has stopped at a safe point.
        """

    def map(
        self, function: str, tasks: Sequence[Mapping[str, Any]], on_event: OnEvent, *, keep_going: bool = False
    ) -> list[Json]:
        """The results of :meth:`stream`, in the order of the tasks."""
        results = dict(self.stream(function, tasks, on_event, keep_going=keep_going))
        return [results[index] for index in range(len(tasks))]


EXECUTORS: Registry[type[Executor]] = Registry("tenfold.executors", "executor")


def at_once(executor: str, workers: int | None, tasks: int, taken: int = 1) -> int:
    """How many of ``tasks``, which take ``taken`` cores each, to run at once: ``workers``, or as many as cores allow.

    An executor that does not know its cores runs all of them: what finds none free waits.
    """
    capacity = EXECUTORS.get(executor).capacity(taken)
    return max(1, min(workers or capacity or tasks, tasks))


def concerns_all(error: Exception) -> bool:
    """Whether other tasks would fail likewise: what was asked for, the data or the versions are wrong; no bug, no lost
    worker.
    """
    return isinstance(error, UsageError | DataError | IntegrityError)


def resolve(function: str) -> Callable[..., Json]:
    """The function that ``"package.module:name"`` names."""
    module, _, name = function.partition(":")
    found: Callable[..., Json] = getattr(importlib.import_module(module), name)
    return found
