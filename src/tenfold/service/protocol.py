"""uvicorn's HTTP protocol with what it lacks: deadlines for clients, and limits on what they send.

* A request has ``times.receive`` seconds to arrive, from its first byte to its last; so has the client
  of an answer to take it. uvicorn itself waits for ever.
* Request line and headers are limited in bytes and number, chunked bodies in chunks.
* At the limit of connections the one that keeps us waiting longest makes room for the new one: stalled
  clients cannot shut out those that speak.
* A connection that we close while the client still sends is closed lingeringly: an abrupt end would
  take the answer away from the client (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tenfold.service.observability import CODES, Metrics, error_body
from tenfold.service.settings import Limits, Times

LINGER_SECONDS = 1.0
LINGER_BYTES = 32 << 20
LINE_BYTES = 256 << 10
"""What asyncio hands over at once, at most: it may hold a piece of the body, and what follows it."""


class Crowd:
    """The open connections, those first that keep us waiting longest."""

    def __init__(self, limits: Limits, times: Times, metrics: Metrics) -> None:
        self.limits = limits
        self.times = times
        self.metrics = metrics
        self._waiting: dict[Protocol, None] = {}  # in the order in which they began to keep us waiting
        self._count = 0

    def enter(self, newcomer: Protocol) -> None:
        """A connection was made."""
        self._count += 1
        self.metrics.connections = self._count
        self._waiting[newcomer] = None
        if self._count > self.limits.connections:
            eldest = next(iter(self._waiting))
            del self._waiting[eldest]  # it is gone only later, and the next newcomer shall find another one
            self.metrics.closed["crowd"] += 1
            eldest.abort()

    def leave(self, protocol: Protocol) -> None:
        """A connection ended."""
        self._count -= 1
        self.metrics.connections = self._count
        self._waiting.pop(protocol, None)

    def waits_for(self, protocol: Protocol) -> None:
        """From now on, the client has to send."""
        self._waiting.pop(protocol, None)
        self._waiting[protocol] = None

    def works_for(self, protocol: Protocol) -> None:
        """The client has sent: it waits for us."""
        self._waiting.pop(protocol, None)


class Protocol(HttpToolsProtocol):
    """One connection. ``crowd`` is set by :func:`protocol_class`."""

    crowd: Crowd

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._deadline: TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True
        self._chunks = 0
        self._trailer_bytes = 0
        self._complete = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._raw = transport
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self.crowd.enter(self)
        self._wait(self.crowd.times.receive)  # also for connections that never say a word

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        self.crowd.leave(self)
        super().connection_lost(exc)
        while self.pipeline:  # requests behind the one that was being answered will not be
            self.pipeline.pop()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self.transport.discard(len(data))  # type: ignore[attr-defined]
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.crowd.limits.header_bytes + len(data):
                self.refuse(431)
                return
        elif not self._complete:
            self._trailer_bytes += len(data)  # counted anew by every piece of the body
            if self._trailer_bytes > self.crowd.limits.header_bytes + LINE_BYTES:
                self.refuse(431)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._complete = True, False
        self._head_bytes = self._chunks = 0
        if len(self.pipeline) > self.crowd.limits.pipeline:
            self.refuse(429)
            return
        self._wait(self.crowd.times.receive)  # a pipelined request, too, has to arrive

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self.crowd.limits.headers:
            self.refuse(431)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.crowd.limits.url_bytes:
            self.refuse(414)

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._in_head = False
        size = sum(len(name) + len(value) for name, value in self.headers)
        if size > self.crowd.limits.header_bytes:
            self.refuse(431)
            return
        self.scope["extensions"] = {"tenfold.connection": self.transport}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Httptools calls this for each chunk of a body."""
        self._chunks += 1
        self._trailer_bytes = 0
        if self._chunks > self.crowd.limits.chunks:
            self.refuse(413)

    def on_body(self, body: bytes) -> None:
        self._trailer_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._complete = True
        if self.transport.is_closing():
            return
        super().on_message_complete()
        if not self.cycle.response_complete:
            self._unset_deadline()
            self.crowd.works_for(self)

    def on_response_complete(self) -> None:
        self.crowd.waits_for(self)
        if self._complete:
            self._unset_deadline()
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and not self._complete:
            # uvicorn's timer is for idle connections; this one is still sending
            self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unset_deadline()
        self._deadline = self.loop.call_later(self.crowd.times.receive, self._too_slow, "send")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unset_deadline()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400)

    def refuse(self, status: int) -> None:
        """Answer a request that is not let in, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.abort()  # in the middle of an answer nothing else can be said
            return
        body = error_body(CODES[status], _WORDS[status])
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.crowd.metrics.answered("refused", "other", status, 0.0)
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application, if it has begun, stops
            self.cycle.message_event.set()
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._raw.abort()

    def _wait(self, seconds: float) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_slow, "receive")

    def _too_slow(self, what: str) -> None:
        self.crowd.metrics.closed[what] += 1
        answered = self.cycle is not None and self.cycle.response_complete and not self._in_head
        if what == "receive" and not self._complete and not answered:
            self.refuse(408)
        else:
            self.abort()

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Lingering:
    """A transport whose ``close`` lets the client finish what it sends, within limits."""

    def __init__(self, transport: asyncio.Transport, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False
        self._rest = LINGER_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._protocol._complete or not self._transport.can_write_eof():
            self._transport.close()
            return
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()
        self._protocol.loop.call_later(LINGER_SECONDS, self._transport.abort)

    def discard(self, count: int) -> None:
        """So many bytes came after the end."""
        self._rest -= count
        if self._rest < 0:
            self._transport.abort()


_WORDS = {
    400: "this is no HTTP request that is understood",
    408: "the request took too long to arrive",
    413: "the body comes in too many pieces",
    414: "the address is too long",
    429: "more requests were sent ahead than are answered on one connection",
    431: "the headers are too long or too many",
}


def protocol_class(crowd: Crowd) -> type[Protocol]:
    """A protocol for uvicorn's ``http=``, whose connections belong to ``crowd``."""
    return type("BoundProtocol", (Protocol,), {"crowd": crowd})
