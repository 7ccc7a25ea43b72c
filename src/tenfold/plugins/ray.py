"""Tasks on a Ray cluster: this machine's cores, or many machines.

Ray moves nothing but JSON. Data, runs and parts lie in a folder that every machine sees under the same path,
and a task is a pure function of them, so that running one twice - after a lost machine, or beside a straggler -
is harmless. The state of the work is that folder, not Ray.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenfold.errors import ResourceError, TenfoldError, from_json, printable
from tenfold.executors import Executor, Json, OnEvent, concerns_all
from tenfold.executors.processes import ENVIRONMENT, GRACE_SECONDS
from tenfold.plugins._ray_cluster import ADDRESS, INSECURE, Mailbox, connected, run_task
from tenfold.runtime import StopFlag, stop_flag

RETRIES = 3
"""How often Ray starts a task again whose worker or machine was lost; each time it goes on from its last checkpoint.

One that got further meanwhile is started again however often that happens.
"""
PATIENCE = 3.0
"""A task that takes this many times the median gets a second copy on a free worker; the first result wins."""
PATIENCE_SECONDS = 60.0
"""But not before it has run this long."""
_TICK = 0.1

Place = tuple[int, int]
"""How far a task has come: epoch and step, which its events name; counted from 0."""
NOWHERE: Place = (-1, -1)


@dataclass
class _Attempt:
    name: str
    index: int
    reference: Any
    behind: Place
    begun: float | None = None


@dataclass
class _Work:
    """What is going on: attempts by their Ray reference, and how long finished tasks took."""

    attempts: dict[Any, _Attempt] = field(default_factory=dict)
    requests: dict[int, str] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)
    reached: dict[int, Place] = field(default_factory=dict)
    started: int = 0

    def named(self, name: str) -> _Attempt | None:
        return next((attempt for attempt in self.attempts.values() if attempt.name == name), None)

    def of(self, index: int) -> list[_Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt.index == index]

    def got_further(self, attempt: _Attempt) -> bool:
        return self.reached.get(attempt.index, NOWHERE) > attempt.behind


class Ray(Executor):
    """Runs the tasks on Ray: on the cluster at ``RAY_ADDRESS`` if that is set, else on one of this machine's own.

    Args:
        workers: tasks at once.
        cores: of the cluster's, that each task takes.
        address: instead of ``RAY_ADDRESS``.
        insecure: allow a remote cluster without a token; ``TENFOLD_RAY_INSECURE=1`` does, too.
    """

    def __init__(self, workers: int = 1, address: str | None = None, *, cores: int = 1, insecure: bool = False) -> None:
        super().__init__(workers, cores=cores)
        self.address = address or os.environ.get(ADDRESS) or None
        self.insecure = insecure or os.environ.get(INSECURE) == "1"

    @classmethod
    def capacity(cls, taken: int) -> int | None:
        """See :meth:`Executor.capacity`; a cluster's cores are not known here."""
        return None if os.environ.get(ADDRESS) is not None else super().capacity(taken)

    def stream(
        self, function: str, tasks: Iterable[Mapping[str, Any]], on_event: OnEvent, *, keep_going: bool = False
    ) -> Iterator[tuple[int, Json]]:
        """See :meth:`Executor.stream`. At most ``workers`` tasks are on the cluster at any time."""
        waiting: Iterator[tuple[int, Mapping[str, Any]]] | None = enumerate(tasks)
        work = _Work()
        failure: TenfoldError | None = None
        with connected(self.workers * self.cores, self.address, insecure=self.insecure) as ray, stop_flag() as flag:
            mailbox = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=_here(ray))(Mailbox).remote()
            task = ray.remote(num_cpus=self.cores, max_retries=RETRIES, runtime_env={"env_vars": self._environment()})(
                run_task
            )
            try:
                while failure is None or (keep_going and not concerns_all(failure)):
                    while waiting is not None and len(work.attempts) < self.workers and not flag():
                        if (following := next(waiting, None)) is None:
                            waiting = None
                        else:
                            index, arguments = following
                            work.requests[index] = json.dumps({"function": function, "task": dict(arguments)})
                            _submit(task, mailbox, work, index)
                    if flag():
                        failure = flag.stopped()
                        break
                    if not work.attempts:
                        break
                    if waiting is None and len(work.attempts) < self.workers:
                        _second_copies(task, mailbox, work)
                    done, _ = ray.wait(list(work.attempts), num_returns=1, timeout=_TICK)
                    _hear(ray, mailbox, work, on_event)
                    for reference in done:
                        attempt = work.attempts.pop(reference)
                        answer = _answer(ray, attempt)
                        for event in answer["events"]:
                            _tell(work, attempt, event, on_event)
                        if answer.get("lost") and work.got_further(attempt):
                            _submit(task, mailbox, work, attempt.index)
                        elif "error" in answer:
                            error = _at(from_json(answer["error"]), answer["node"])
                            failure = error if concerns_all(error) else failure or error
                        elif attempt.index in work.requests:
                            del work.requests[attempt.index]
                            work.durations.append(time.monotonic() - (attempt.begun or time.monotonic()))
                            _let_go(ray, mailbox, work, attempt.index)
                            yield attempt.index, answer["result"]
            except ray.exceptions.RayError as error:
                short = isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in str(error)
                what = "a machine of the cluster is out of memory" if short else "the Ray cluster was lost"
                failure = ResourceError(f"{what}: {_line(error)}; finished work is kept, the same command goes on")
            finally:
                _stop(ray, mailbox, work, flag)
            if failure is not None:
                raise failure

    def _environment(self) -> dict[str, str]:
        """What every worker's environment gets: pinned threads, and on this machine the path our modules were found
        on.
        """
        path = os.environ.get("PYTHONPATH")
        return {**ENVIRONMENT, **({"PYTHONPATH": path} if path and self.address in (None, "local") else {})}


def _submit(task: Any, mailbox: Any, work: _Work, index: int) -> None:
    name = f"{index}.{work.started}"
    work.started += 1
    reference = task.options(name=f"task {index}").remote(mailbox, name, work.requests[index])
    work.attempts[reference] = _Attempt(name, index, reference, behind=work.reached.get(index, NOWHERE))


def _second_copies(task: Any, mailbox: Any, work: _Work) -> None:
    """Start a copy of whatever takes far longer than the others did: its machine may hang."""
    if not work.durations:
        return
    limit = max(PATIENCE_SECONDS, PATIENCE * statistics.median(work.durations))
    for attempt in list(work.attempts.values()):
        waited = time.monotonic() - attempt.begun if attempt.begun else 0.0
        if waited > limit and len(work.of(attempt.index)) == 1:
            _submit(task, mailbox, work, attempt.index)
            return


def _let_go(ray: Any, mailbox: Any, work: _Work, index: int) -> None:
    """The other attempts at a task that is finished."""
    for attempt in work.of(index):
        mailbox.stop.remote(attempt.name)
        ray.cancel(attempt.reference, force=True)
        del work.attempts[attempt.reference]


def _hear(ray: Any, mailbox: Any, work: _Work, on_event: OnEvent) -> None:
    try:
        events = ray.get(mailbox.fetch.remote())
    except ray.exceptions.ActorUnavailableError:
        return  # Ray starts the mailbox again; what lay in it is lost, and is for people only
    for name, event in events:
        if (attempt := work.named(name)) is not None:
            _tell(work, attempt, event, on_event)


def _tell(work: _Work, attempt: _Attempt, event: Json, on_event: OnEvent) -> None:
    if "started" in event:
        attempt.begun = time.monotonic()
        return
    work.reached[attempt.index] = max(work.reached.get(attempt.index, NOWHERE), _place(event["event"]))
    on_event(attempt.index, event["event"])


def _place(event: Json) -> Place:
    if "history" in event:
        return int(event["history"]["epoch"]), 0
    return (int(event["epoch"]), int(event["step"])) if {"epoch", "step"} <= event.keys() else NOWHERE


def _here(ray: Any) -> Any:
    """A place on the driver's own machine: others may be lost, and with them whatever runs there.

    A soft wish is not enough: Ray hands it on to other machines when this one has no cores to give.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _answer(ray: Any, attempt: _Attempt) -> Json:
    """What an attempt came to; an attempt that Ray gave up is an error of ours."""
    lost = False
    try:
        answer: Json = json.loads(ray.get(attempt.reference))
        return answer
    except ray.exceptions.OutOfMemoryError as error:
        why = f"out of memory: {_line(error)}"
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError) as error:
        lost, why = True, f"its worker or its machine was lost ({type(error).__name__})"
    message = f"task {attempt.index} failed {RETRIES + 1} times: {why}; finished work is kept, resume to go on"
    return {"error": ResourceError(message).as_json(), "events": [], "node": "", "lost": lost}


def _at(error: TenfoldError, node: str) -> TenfoldError:
    """``error``, which also says on which machine it happened, if there is more than this one."""
    import platform

    if node and node != platform.node():
        error.add_note(f"on the machine {node}")
    return error


def _stop(ray: Any, mailbox: Any, work: _Work, flag: StopFlag) -> None:
    """Ask all to stop at a safe point; end those that don't, or that could not be asked."""
    if not work.attempts:
        return
    try:
        ray.get(mailbox.stop.remote(), timeout=GRACE_SECONDS)
        _, running = ray.wait(list(work.attempts), num_returns=len(work.attempts), timeout=GRACE_SECONDS)
        for reference in running:
            ray.cancel(reference, force=True)
    except (ray.exceptions.RayError, KeyboardInterrupt):
        pass  # the cluster is lost, or a second Ctrl-C came: what is ours ends with the connection


def _line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)[:300]
