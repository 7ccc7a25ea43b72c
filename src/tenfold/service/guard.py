"""One guard for each connection, from accept to close: limits that uvicorn does not have, in every state.

It stands between asyncio's transport and uvicorn's protocol, of which it uses only what asyncio asks of every protocol
and transport. The middleware (:mod:`~tenfold.service.gate`) tells it where requests begin and end.

* Connections are counted when they are accepted, before TLS. At the limit, the one that keeps us waiting longest makes
  room: stalled clients cannot shut out those that speak.
* A client that owes us bytes (a handshake, a request) has ``times.receive`` seconds for all of them, and as long to
  take an answer.
* While a request is answered, what the client sends next waits here, and then in the client.
* Bytes that are no body (request line, headers, chunk sizes, trailers) are limited together.
* A client that closed its sending side after a whole request is still answered.
* A connection that we close while the client still sends is closed lingeringly: an abrupt end would take the answer
  away from the client (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from tenfold.service.observability import CODES, Metrics, error_body
from tenfold.service.settings import Limits, Times

STATE = "guard"
"""Under this key of ``scope["state"]`` the middleware finds the guard of its connection."""
LINGER_SECONDS = 1.0
LINGER_BYTES = 32 << 20
SMALL, LARGE = 4 << 10, 256 << 10
"""Bytes that are read at once: where a request may begin, and within a body."""
AHEAD_BYTES = 64 << 10
"""That a client may send ahead of an answer; the rest waits in the client."""
FRAME_BYTES = 1 << 20
"""Head, chunk sizes and trailers of one request, with what was read of its body and not yet looked at."""
_BUFFER = bytearray(LARGE)
"""One for all connections: what is read is handed on before the next read."""
_WORDS = {
    400: "this is no HTTP request that is understood",
    408: "the request took too long to arrive",
    413: "the body comes in too many pieces",
    431: "the headers are too long or too many",
}


class Connections:
    """The open connections, and what each may take; :meth:`protocol` is uvicorn's ``http=``.

    Attributes:
        waiting: those for which we wait, in the order in which they began to keep us waiting.
    """

    def __init__(self, limits: Limits, times: Times, metrics: Metrics, tls: ssl.SSLContext | None) -> None:
        self.limits = limits
        self.times = times
        self.metrics = metrics
        self.tls = tls
        self.waiting: dict[Guard, None] = {}

    def protocol(self, **settings: Any) -> Guard:
        """The protocol of a new connection, with the ``settings`` that uvicorn gives its own."""
        return Guard(self, settings)


class Guard(asyncio.BufferedProtocol):
    """One connection: a protocol to asyncio's transport, and the transport of uvicorn's protocol."""

    def __init__(self, connections: Connections, settings: dict[str, Any]) -> None:
        self._all = connections
        self._loop = asyncio.get_running_loop()
        state = {**settings.pop("app_state"), STATE: self}
        make: Any = AutoHTTPProtocol
        self._http: asyncio.Protocol = make(app_state=state, **settings)
        self._open = False  # whether uvicorn's protocol knows of it
        self._deadline: asyncio.TimerHandle | None = None
        self._owing = False  # the client owes us the rest of a request
        self._working = False  # we owe it an answer
        self._closing = self._lost = self._half_closed = self._feeding = self._full = False
        self._begun, self._expected = False, 0  # whether the middleware has the head; bytes of the body still to come
        self._frame = self._requests = 0
        self._ahead = bytearray()
        self._rest = LINGER_BYTES

    # asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        metrics = self._all.metrics
        metrics.connections += 1
        self._all.waiting[self] = None
        self._wait("receive")  # also for a connection that never says a word
        if metrics.connections > self._all.limits.connections:
            eldest = next(iter(self._all.waiting))
            del self._all.waiting[eldest]  # it is gone only later, and the next newcomer shall find another one
            metrics.closed["crowd"] += 1
            eldest.abort()
        if self._all.tls is None:
            self._made()
        else:
            self._transport.pause_reading()
            self._working = True  # what comes together with the end of the handshake waits for that of _secure
            self._securing = self._loop.create_task(self._secure(self._all.tls))

    async def _secure(self, tls: ssl.SSLContext) -> None:
        plain, seconds = self._transport, self._all.times.handshake
        with contextlib.suppress(OSError):  # no TLS, too late, or gone
            secured = await self._loop.start_tls(plain, self, tls, server_side=True, ssl_handshake_timeout=seconds)
            if secured is not None and not self._closing:
                self._transport = secured
                self._made()
                self._next(0)
                return
        plain.abort()
        self.connection_lost(None)

    def _made(self) -> None:
        self._open = True
        self._http.connection_made(cast(asyncio.Transport, self))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._wait(None)
        self._all.metrics.connections -= 1
        self._all.waiting.pop(self, None)
        if self._open:
            self._http.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        # within a body of known length many bytes are read at once; elsewhere few, as many requests fit into many bytes
        return memoryview(_BUFFER)[: LARGE if self._closing else min(LARGE, max(SMALL, self._expected))]

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            self._rest -= nbytes
            if self._rest < 0:
                self.abort()
        elif self._working or self._ahead:
            self._ahead += _BUFFER[:nbytes]
            self._read_on()
        else:
            self._feed(bytes(memoryview(_BUFFER)[:nbytes]))

    def eof_received(self) -> bool:
        self._half_closed = True
        return self._all.tls is None and (self._working or bool(self._ahead))

    def pause_writing(self) -> None:
        self._http.pause_writing()
        self._wait("send")

    def resume_writing(self) -> None:
        self._http.resume_writing()
        self._wait("receive" if self._owing else None)

    # the middleware's

    @property
    def is_gone(self) -> bool:
        """Whether the client left, as far as can be told: one that only closed its sending side looks the same."""
        return self._half_closed or self.is_closing()

    def begins(self, expected: int) -> None:
        """The head of a request is here, and ``expected`` bytes of its body are announced."""
        self._owing = self._begun = True
        self._requests += 1
        self._expected = expected
        if self._deadline is None:  # it came together with the request before
            self._wait("receive")

    def body(self, count: int) -> None:
        """So many bytes of its body are here."""
        self._frame -= count
        self._expected -= count

    def complete(self) -> None:
        """All of the request is here: the client waits for us."""
        self._owing, self._working = False, True
        self._frame = self._expected = 0
        self._wait(None)
        self._all.waiting.pop(self, None)

    def answered(self) -> None:
        """The answer was given. What the client sent meanwhile is next, after requests that uvicorn has already."""
        self._begun = False
        if not self._closing:
            self._loop.call_soon(self._next, self._requests)

    def _next(self, requests: int) -> None:
        if requests != self._requests or self._closing:  # uvicorn had another one: it will be answered, too
            return
        self._working = False
        self._all.waiting.setdefault(self)
        piece = bytes(self._ahead[:SMALL])
        del self._ahead[:SMALL]
        if piece:
            self._feed(piece)
            self._loop.call_soon(self._next, requests)
        elif self._half_closed:
            self.close()
        self._read_on()

    # the transport of uvicorn's protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if self._feeding:  # what uvicorn says before the middleware can say anything is that it does not understand
            self._refuse(400)
        elif not self.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        self._full = True
        self._read_on()

    def resume_reading(self) -> None:
        self._full = False
        self._read_on()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._half_closed or not self._owing or not self._transport.can_write_eof():
            self._transport.close()
            return
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    # its own

    def _feed(self, data: bytes) -> None:
        if not self._owing:
            self._owing = True
            self._wait("receive")
        if self._frame > (FRAME_BYTES if self._begun else self._all.limits.header_bytes):
            self._refuse(413 if self._begun else 431)
            return
        self._frame += len(data)
        self._feeding = True
        self._http.data_received(data)
        self._feeding = False

    def _refuse(self, status: int) -> None:
        if self.is_closing():
            return
        body = error_body(CODES[status], _WORDS[status])
        head = f"HTTP/1.1 {status} {CODES[status]}\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self._all.metrics.answered("refused", "other", status, 0.0)
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self._owing = True  # whatever it still sends is not read
        self.close()

    def _read_on(self) -> None:
        if self._closing or self._half_closed:
            return
        if len(self._ahead) > AHEAD_BYTES or (self._full and not self._working):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _wait(self, what: str | None) -> None:
        """Set the one deadline, or none."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(self._all.times.receive, self._too_slow, what) if what else None

    def _too_slow(self, what: str) -> None:
        self._deadline = None
        self._all.metrics.closed[what] += 1
        if what == "receive" and self._owing:
            self._refuse(408)
        else:
            self.abort()
