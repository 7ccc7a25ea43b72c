"""The bounded queue before the workers, and the care for workers that die or hang.

Whatever waits when a worker is free goes to it together, up to a limit: under load the cost of a round
is shared, without load nothing is delayed. A request is dropped before it is computed if its client is
gone or it has waited too long. If a worker dies, the only request it had is answered 500; if it had
several, each is tried once more alone, so that the innocent ones are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
import time
from asyncio import StreamReader
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tenfold.errors import ResourceError, TenfoldError, from_json
from tenfold.service.observability import GONE, Fault, Log, Metrics, error_body
from tenfold.service.settings import Limits, Times

_LENGTH = struct.Struct(">I")


def pack(
    header: dict[str, Any], parts: Sequence[bytes | bytearray | memoryview] = ()
) -> list[bytes | bytearray | memoryview]:
    """The message as pieces to write."""
    text = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    return [_LENGTH.pack(len(text)), text, *parts]


def read(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """The next message on ``stream``.

    Raises:
        EOFError: the other side is gone.
    """
    header = json.loads(_exactly(stream, _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]))
    return header, [_exactly(stream, size) for size in header.pop("sizes")]


async def read_async(stream: StreamReader) -> tuple[dict[str, Any], list[bytes]]:
    """:func:`read` in an event loop.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    header = json.loads(await stream.readexactly(length))
    return header, [await stream.readexactly(size) for size in header.pop("sizes")]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise EOFError
    return content


START_SECONDS = 60.0
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""A worker is one thread; workers are how a service uses cores."""


class WorkerGone(Exception):
    """The process ended, or took too long and was killed."""

    def __init__(self, hung: bool) -> None:
        super().__init__("hung" if hung else "died")
        self.hung = hung


@dataclass(frozen=True, eq=False)
class Welcome:
    """What a worker is told first, and each one that is started later: what lies on the disk by then changes nothing.

    Attributes:
        header: the manifests of the models, by name, and settings.
        models: the bytes of each model, in their order.
    """

    header: dict[str, Any]
    models: Sequence[bytes]


class Worker:
    """One running process. Make one with :meth:`start`.

    Attributes:
        welcome: what it was told.
        models: what it says about its models.
    """

    def __init__(self, process: asyncio.subprocess.Process, welcome: Welcome, log: Callable[..., None]) -> None:
        self._process = process
        self.welcome = welcome
        self.models: list[dict[str, Any]] = []
        self._listening = asyncio.create_task(self._listen(log))

    @classmethod
    async def start(
        cls, welcome: Welcome, log: Callable[..., None], command: Sequence[str] = ("-m", "tenfold.service.worker")
    ) -> Worker:
        """A worker that has opened its models.

        Args:
            welcome: what it is to open.
            log: takes what it prints.
            command: what Python runs.

        Raises:
            TenfoldError: what it says is wrong with them; ResourceError if it ends without a word.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
        worker = cls(process, welcome, log)
        try:
            header, _ = await asyncio.wait_for(worker._exchange(welcome.header, welcome.models), START_SECONDS)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            await worker.kill()
            raise ResourceError("a worker could not start; is there enough memory?") from error
        except asyncio.CancelledError:
            await worker.kill()
            raise
        if "error" in header:
            await worker.kill()
            raise from_json(header["error"])
        worker.models = header["models"]
        return worker

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.returncode is None

    async def ended(self) -> None:
        """Wait for the end of the process."""
        await self._process.wait()

    async def compute(
        self, jobs: Sequence[Mapping[str, Any]], bodies: Sequence[bytes | bytearray], seconds: float
    ) -> list[tuple[int, bytes]]:
        """Status and document for each of ``jobs``.

        Raises:
            WorkerGone: it died, or was killed after ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                header, parts = await self._exchange({"jobs": list(jobs)}, bodies)
        except TimeoutError:
            await self.kill()
            raise WorkerGone(hung=True) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.kill()
            raise WorkerGone(hung=False) from None
        return list(zip(header["statuses"], parts, strict=True))

    async def kill(self) -> None:
        """End the process now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def close(self) -> None:
        """End the process once it has nothing to do."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2)
        except TimeoutError:
            await self.kill()

    async def _listen(self, log: Callable[..., None]) -> None:
        """Into the log with what it prints: handed down, a log that nobody reads would stop the worker."""
        assert self._process.stderr is not None
        while line := await self._process.stderr.read(4096):
            log("worker", pid=self.pid, text=line.decode("utf-8", "replace"))

    async def _exchange(
        self, header: dict[str, Any], bodies: Sequence[bytes | bytearray]
    ) -> tuple[dict[str, Any], list[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.writelines(pack(header, bodies))
        await self._process.stdin.drain()
        return await read_async(self._process.stdout)


ALONE = frozenset({"read", "keep", "samples"})
"""Kinds of requests that take long or touch the disk: no neighbour waits for them in the same round."""
LARGE = 256 << 10
"""Bytes of a body beyond which a request goes alone."""
PAUSE = 0.5
"""Seconds before a worker that could not be started is tried again; doubled up to 16 times that."""
MOST_FAILURES = 6
"""In a row, and no worker is left: then the service ends."""


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
        failed: why no worker can start, or None.
        on_failed: called when ``failed`` is set.
    """

    def __init__(
        self,
        welcome: Welcome,
        workers: int,
        limits: Limits,
        times: Times,
        metrics: Metrics,
        log: Log,
        command: Sequence[str] = (),
    ) -> None:
        self.models: list[dict[str, Any]] = []
        self.failed: TenfoldError | None = None
        self.on_failed: Callable[[], None] = lambda: None
        self._welcome = welcome
        self._spare: Worker | None = None
        self._failures = 0
        self._limits = limits
        self._times = times
        self._metrics = metrics
        self._log = log
        self._command = {"command": tuple(command)} if command else {}
        self._waiting: deque[Job] = deque()
        self._work = asyncio.Event()
        self._alive = 0
        self._tasks = [asyncio.create_task(self._tend(), name=f"worker {i}") for i in range(workers)]

    @property
    def ready(self) -> bool:
        """Whether some worker can take a request."""
        return self._alive > 0

    async def reload(self, welcome: Welcome) -> None:
        """Answer with other models from one moment on: once a worker has opened them, no request goes to one that has
        those from before.

        Raises:
            TenfoldError: a worker could not open them; nothing has changed.
        """
        spare = await Worker.start(welcome, self._log, **self._command)
        if self._spare is not None:
            await self._spare.close()
        self._welcome, self._spare, self.models = welcome, spare, spare.models
        self._work.set()

    async def submit(
        self, header: Mapping[str, Any], body: bytes | bytearray, is_gone: Callable[[], bool]
    ) -> tuple[int, bytes]:
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
        if self._spare is not None:
            await self._spare.close()
        for job in self._waiting:
            _settle(job, 503, error_body("unavailable", "the service ends"))
        self._waiting.clear()

    async def _tend(self) -> None:
        """One worker's place: keep a worker in it and give it work."""
        while True:
            worker, self._spare = self._spare, None
            try:
                worker = worker or await Worker.start(self._welcome, self._log, **self._command)
            except TenfoldError as error:
                self._failures += 1
                self._log("worker not started", reason=str(error), failures=self._failures)
                if not self._alive and (not self.models or self._failures >= MOST_FAILURES):
                    self.failed = error
                    self.on_failed()
                await asyncio.sleep(min(PAUSE * 2**self._failures, 16 * PAUSE))
                continue
            if not self.models:
                self.models = worker.models
                self._log("ready", models=[model["sha256"] for model in self.models])
            self._failures = 0
            self._alive += 1
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
        """Give ``worker`` what waits, until it is gone or other models are served."""
        while worker.welcome is self._welcome:
            if not worker.running:
                raise WorkerGone(hung=False)
            if not (batch := self._take()):
                self._work.clear()
                await self._work.wait()
                continue
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
            # a client that only closed its sending side looks gone, too, and is answered if nobody waits behind it
            if job.answer.done() or (job.is_gone() and len(self._waiting) > 1):
                self._metrics.dropped["gone"] += 1
                _settle(self._waiting.popleft(), GONE, b"")
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
