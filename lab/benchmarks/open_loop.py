"""Load on an HTTP service as many people make it: requests come when they come, whether or not the last one was
answered.

A client that waits for each answer before it asks again slows down with the service, and its figures hide what people
wait
for ("coordinated omission"). Here arrivals are a Poisson process, and a latency is counted from the moment at which a
request
was due, so that it includes whatever it waited in the client. Connections are kept and reused.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
LOST = 0
"""The status of a request whose connection ended without an answer."""


@dataclass(frozen=True)
class Answer:
    """What became of one request: the place in ``requests`` that was sent, the status, seconds since it was due, the
    body.
    """

    which: int
    status: int
    seconds: float
    body: bytes


@dataclass(frozen=True)
class Load:
    """The answers to all requests of one load, and how long it took, seconds."""

    answers: tuple[Answer, ...]
    seconds: float

    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def latency(self, *quantiles: float, status: int = 200) -> list[float]:
        """Seconds that ``quantiles`` of the answers of this status took; infinite if there are none."""
        taken = [answer.seconds for answer in self.answers if answer.status == status]
        return [float(np.quantile(taken, q)) if taken else float("inf") for q in quantiles]

    def rate(self, status: int = 200) -> float:
        """Answers of this status a second."""
        return self.statuses()[status] / self.seconds


class _Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((LOST, b""))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or (length and len(rest) < int(length[1])):
            return
        if head.startswith(b"HTTP/1.1 100"):
            self._received = rest
            return
        if b"connection: close" in head.lower():
            self.open = False
            self._transport.close()
        self._received = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), rest))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """``rate`` requests a second for ``seconds``, drawn from ``requests`` (whole HTTP/1.1 requests), to
    127.0.0.1:``port``.
    """
    rng = np.random.default_rng(seed)
    due = rng.exponential(1 / rate, int(rate * seconds)).cumsum()
    which = rng.integers(0, len(requests), len(due))
    free: deque[_Connection] = deque()
    began = time.perf_counter()
    tasks = []
    for at, i in zip(due.tolist(), which.tolist(), strict=True):
        if (wait := began + at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_one(port, free, i, requests[i], began + at)))
    answers = await asyncio.gather(*tasks)
    took = time.perf_counter() - began
    for connection in free:
        connection.close()
    return Load(tuple(answers), took)


async def closed_loop(port: int, requests: Sequence[bytes], count: int, connections: int, seed: int = 0) -> Load:
    """``count`` requests, as fast as ``connections`` clients get their answers: for counting, not for latencies."""
    rng = np.random.default_rng(seed)
    which = deque(rng.integers(0, len(requests), count).tolist())
    free: deque[_Connection] = deque()
    answers: list[Answer] = []

    async def client() -> None:
        while which:
            i = which.popleft()
            answers.append(await _one(port, free, i, requests[i], time.perf_counter()))

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    took = time.perf_counter() - began
    for connection in free:
        connection.close()
    return Load(tuple(answers), took)


async def _one(port: int, free: deque[_Connection], which: int, request: bytes, due: float) -> Answer:
    while free and not free[-1].open:
        free.pop()
    try:
        if free:
            connection = free.pop()
        else:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
        status, body = await connection.ask(request)
    except OSError:
        return Answer(which, LOST, time.perf_counter() - due, b"")
    if connection.open:
        free.append(connection)
    return Answer(which, status, time.perf_counter() - due, body)


def post(path: str, kind: str, body: bytes) -> bytes:
    """A whole request."""
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        kind.encode(),
        len(body),
        body,
    )
