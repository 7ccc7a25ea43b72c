"""A worker process as the event loop sees it: start, compute, kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenfold.errors import ResourceError, from_json
from tenfold.serve import framing

START_SECONDS = 60.0
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""A worker is one thread; workers are how a service uses cores."""


class WorkerGone(Exception):
    """The process ended, or took too long and was killed."""

    def __init__(self, hung: bool) -> None:
        super().__init__("hung" if hung else "died")
        self.hung = hung


class Worker:
    """One running process. Make one with :meth:`start`.

    Attributes:
        models: what it says about its models.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Callable[..., None]) -> None:
        self._process = process
        self.models: list[dict[str, Any]] = []
        self._listening = asyncio.create_task(self._listen(log))

    @classmethod
    async def start(
        cls, welcome: Mapping[str, Any], log: Callable[..., None], command: Sequence[str] = ("-m", "tenfold.serve.worker")
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
        worker = cls(process, log)
        try:
            header, _ = await asyncio.wait_for(worker._exchange(dict(welcome), ()), START_SECONDS)
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

    async def _exchange(self, header: dict[str, Any], bodies: Sequence[bytes | bytearray]) -> tuple[dict[str, Any], list[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.writelines(framing.pack(header, bodies))
        await self._process.stdin.drain()
        return await framing.read_async(self._process.stdout)
