"""The bounded queue before the workers, and the care for workers that die or hang.

Whatever waits when a worker is free goes to it together, up to a limit: under load the cost of a round
is shared, without load nothing is delayed. A request is dropped before it is computed if its client is
gone or it has waited too long. If a worker dies, the only request it had is answered 500; if it had
several, each is tried once more alone, so that the innocent ones are answered.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenfold.errors import TenfoldError
from tenfold.serve.faults import Fault, error_body
from tenfold.serve.handle import Worker, WorkerGone
from tenfold.serve.log import Log
from tenfold.serve.metrics import Metrics
from tenfold.serve.settings import Limits, Times

ALONE = frozenset({"read", "keep", "samples"})
"""Kinds of requests that take long or touch the disk: no neighbour waits for them in the same round."""
LARGE = 256 << 10
"""Bytes of a body beyond which a request goes alone."""
PAUSE = 0.5
"""Seconds before a worker that could not be started is tried again; doubled up to 16 times that."""


@dataclass(eq=False)
class Job:
    """One request on its way to a worker."""

    header: Mapping[str, Any]
    body: bytes | bytearray
    is_gone: Callable[[], bool]
    answer: asyncio.Future[tuple[int, bytes]]
    arrived: float = field(default_factory=time.monotonic)
    alone: bool = False


class Pool:
    """Workers and what waits for them.

    Attributes:
        models: what the workers say about their models; empty until the first is ready.
        failed: why the first worker could not start, or None.
    """

    def __init__(
        self,
        welcome: Mapping[str, Any],
        workers: int,
        limits: Limits,
        times: Times,
        metrics: Metrics,
        log: Log,
        command: Sequence[str] = (),
    ) -> None:
        self.models: list[dict[str, Any]] = []
        self.failed: TenfoldError | None = None
        self._welcome = welcome
        self._limits = limits
        self._times = times
        self._metrics = metrics
        self._log = log
        self._command = {"command": tuple(command)} if command else {}
        self._waiting: deque[Job] = deque()
        self._work = asyncio.Event()
        self._alive = 0
        self._settled = asyncio.Event()
        self._tasks = [asyncio.create_task(self._tend(), name=f"worker {i}") for i in range(workers)]

    @property
    def ready(self) -> bool:
        """Whether some worker can take a request."""
        return self._alive > 0

    async def settled(self) -> None:
        """Wait until the first worker is ready, or cannot be; see :attr:`failed`."""
        await self._settled.wait()

    async def submit(self, header: Mapping[str, Any], body: bytes | bytearray, is_gone: Callable[[], bool]) -> tuple[int, bytes]:
        """Status and document that answer a request.

        Raises:
            Fault: 503 no worker, or the queue is full.
        """
        if not self.ready:
            raise Fault(503, "no worker is ready; try again in a moment", headers={"Retry-After": "1"})
        if len(self._waiting) >= self._limits.queue:
            self._metrics.rejected["queue"] += 1
            raise Fault(503, "too many requests wait already; try again in a moment", headers={"Retry-After": "1"})
        job = Job(header, body, is_gone, asyncio.get_running_loop().create_future())
        job.alone = header["kind"] in ALONE or len(body) > LARGE or bool(header.get("show"))
        self._waiting.append(job)
        self._metrics.queued(len(self._waiting))
        self._work.set()
        return await job.answer

    async def close(self) -> None:
        """End the workers. What still waits is told 503."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._waiting:
            _settle(job, 503, error_body("unavailable", "the service ends"))
        self._waiting.clear()

    async def _tend(self) -> None:
        """One worker's place: keep a worker in it and give it work."""
        pause = PAUSE
        while True:
            try:
                worker = await Worker.start(self._welcome, self._log, **self._command)
            except TenfoldError as error:
                if not self._settled.is_set():
                    self.failed = error
                    self._settled.set()
                await asyncio.sleep(pause)
                pause = min(2 * pause, 16 * PAUSE)
                continue
            pause = PAUSE
            self.models = worker.models
            self._alive += 1
            self._settled.set()
            # a death while there is nothing to do is noticed at once, not by the next request
            watch = asyncio.create_task(worker.ended())
            watch.add_done_callback(lambda _: self._work.set())
            try:
                await self._feed(worker)
            except WorkerGone as gone:
                self._metrics.restarts += 1
                self._log("worker gone", pid=worker.pid, reason=str(gone))
            finally:
                self._alive -= 1
                await worker.close()
                watch.cancel()

    async def _feed(self, worker: Worker) -> None:
        while True:
            while worker.running and not (batch := self._take()):
                self._work.clear()
                await self._work.wait()
            if not worker.running:
                raise WorkerGone(hung=False)
            self._metrics.batches.observe(len(batch))
            try:
                answers = await worker.compute([j.header for j in batch], [j.body for j in batch], self._times.compute)
            except WorkerGone as gone:
                self._after_death(batch, gone)
                raise
            except asyncio.CancelledError:
                for job in batch:
                    _settle(job, 503, error_body("unavailable", "the service ends"))
                raise
            for job, (status, body) in zip(batch, answers, strict=True):
                _settle(job, status, body)

    def _take(self) -> list[Job]:
        """What the next round computes; nothing of which the client is gone or the time is over."""
        batch: list[Job] = []
        now = time.monotonic()
        while self._waiting and len(batch) < self._limits.batch:
            job = self._waiting[0]
            if job.answer.done() or job.is_gone():
                self._metrics.dropped["gone"] += 1
                _settle(self._waiting.popleft(), 503, b"")
            elif now - job.arrived > self._times.queue:
                self._metrics.dropped["late"] += 1
                body = error_body("timeout", f"waited {self._times.queue:g} seconds without a turn; try again later")
                _settle(self._waiting.popleft(), 504, body)
            elif job.alone and batch:
                break
            else:
                batch.append(self._waiting.popleft())
                if job.alone:
                    break
        self._metrics.queued(len(self._waiting))
        return batch

    def _after_death(self, batch: Sequence[Job], gone: WorkerGone) -> None:
        if len(batch) == 1:
            status, text = (504, "this request took too long") if gone.hung else (500, "this request broke a worker")
            _settle(batch[0], status, error_body("timeout" if gone.hung else "internal", text))
            return
        for job in reversed(batch):
            job.alone = True
            self._waiting.appendleft(job)
        self._work.set()


def _settle(job: Job, status: int, body: bytes) -> None:
    if not job.answer.done():
        job.answer.set_result((status, body))
