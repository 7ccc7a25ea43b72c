"""What every request passes before a route sees it, and what every answer carries away."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.service.guard import STATE, Guard
from tenfold.service.observability import GONE, Fault, Log, Metrics
from tenfold.service.settings import Limits

OPEN = frozenset({"/", "/healthz", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""Paths without a secret behind them; the page's own files are open as well."""


class Auth:
    """The check for one token, or for none."""

    def __init__(self, token: str | None) -> None:
        self._digest = None if token is None else _digest(token.encode())

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Let a request pass, or not.

        Raises:
            Fault: 401.
        """
        if self._digest is None or path in OPEN or path.startswith("/page/"):
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        # digests have one length: how long the comparison takes says nothing of the token
        if not (hmac.compare_digest(_digest(given.strip()), self._digest) and scheme.lower() == b"bearer"):
            raise Fault(
                401,
                "found no valid token, expected Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"https?://(.+)", re.ASCII)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Hosts:
    """The rule for one service.

    Args:
        bound: the address that it listens on.
        further: names that the user added.
        origins: addresses of pages that may send although ``Host`` is not theirs: a proxy's.
    """

    def __init__(self, bound: str, further: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        names = {bound.lower(), *(name.lower() for name in further), *LOCAL_NAMES}
        self.names = {f"[{name}]" if _is_ipv6(name) else name for name in names}
        self.origins = {origin.lower().rstrip("/").encode() for origin in origins}
        self.everywhere = bound in ("0.0.0.0", "::")

    def check(self, method: str, headers: Mapping[bytes, bytes], local: str | None) -> None:
        """Let a request pass, or not.

        Args:
            method: of the request.
            headers: lower-case names.
            local: our own address on this connection.

        Raises:
            Fault: 400 no Host or no such Host, 421 not our name, 403 another site's page.
        """
        host = _HOST.fullmatch(headers.get(b"host", b"").decode("latin-1"))
        if host is None:
            raise Fault(400, "found no valid Host header", field="Host")
        name = host[1].lower()
        # an address that was typed cannot be rebound: where all are bound, the one that was reached is ours
        if name not in self.names and not (self.everywhere and local is not None and name in (local, f"[{local}]")):
            raise Fault(421, "this service does not go by that name; start it with --allow-host NAME", field="Host")
        if method in SAFE:
            return
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() in self.origins:
            return
        if origin is not None:
            found = _ORIGIN.fullmatch(origin.decode("latin-1"))
            if found is None or found[1].lower() != host[0].lower():
                raise Fault(403, "found the Origin of another site", field="Origin")
        if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
            raise Fault(403, "found a request from another site's page", field="Sec-Fetch-Site")


def _is_ipv6(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).version == 6
    except ValueError:
        return False


MOST_CLIENTS = 10_000
BURST_SECONDS = 2.0


class Rate:
    """Buckets that fill with ``rate`` a second up to two seconds' worth; 0 is no limit."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of ``client``.

        Raises:
            Fault: 429, with the time to wait.
        """
        if not self.rate:
            return
        now = self._clock()
        most = max(1.0, self.rate * BURST_SECONDS)
        level, then = self._buckets.pop(client, (most, now))
        level = min(most, level + (now - then) * self.rate)
        allowed = level >= 1
        self._buckets[client] = (level - 1 if allowed else level, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)  # the one that was silent longest
        if not allowed:
            wait = math.ceil((1 - level) / self.rate)
            raise Fault(429, f"more than {self.rate:g} requests a second", headers={"Retry-After": str(max(1, wait))})


_IDENTITY = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C's ``traceparent``: a service before this one tells by it which requests belong together."""
_ONCE = frozenset({b"host", b"content-type", b"authorization", b"origin"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Gate:
    """ASGI middleware: size of the head, host, origin, token, rate, encoding and then the body on the way in; headers,
    metrics and log on the way out. The app finds the body in ``scope["state"]["body"]``.

    Attributes:
        in_flight: bytes of all bodies that are arriving or wait for an answer.
    """

    def __init__(
        self, app: ASGIApp, hosts: Hosts, auth: Auth, rate: Rate, limits: Limits, metrics: Metrics, log: Log
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.auth = auth
        self.rate = rate
        self.limits = limits
        self.metrics = metrics
        self.log = log
        self.draining = False
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        expected = -1 if b"transfer-encoding" in headers else int(length) if length.isdigit() else -1
        guard: Guard = scope["state"][STATE]
        guard.begins(max(0, expected))
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        answer = _Answer(self, scope["method"], asked, send, headers)
        body = bytearray()
        try:
            self._admit(scope, headers)
            await self._read(receive, expected, body, guard)
            guard.complete()
            scope["state"]["body"] = body
            await self.app(asked, receive, answer.send)
        except Fault as fault:
            await answer.fault(fault, unread=expected != 0)
        except Exception as error:
            self.log("error", request=answer.identity, kind=type(error).__name__, message=str(error)[:500])
            await answer.fault(Fault(500, "something went wrong here; the log has more"))
        finally:
            self.in_flight -= len(body)
            answer.count()
            guard.answered()

    def _admit(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        given = scope["headers"]
        if len(given) > self.limits.headers or sum(len(n) + len(v) for n, v in given) > self.limits.header_bytes:
            raise Fault(431, "the headers are too long or too many")
        if len(scope["raw_path"]) + len(scope["query_string"]) > self.limits.url_bytes:
            raise Fault(414, "the address is too long")
        if len(headers) < len(given):
            names = [name for name, _ in given]
            if twice := next((name for name in _ONCE if names.count(name) > 1), None):
                raise Fault(400, f"found the header {twice.decode()} twice")
        self.hosts.check(scope["method"], headers, scope["server"][0] if scope["server"] else None)
        try:
            if scope["path"] not in OPEN:
                self.rate.take(scope["client"][0] if scope["client"] else "")
        except Fault:
            self.metrics.rejected["rate"] += 1
            raise
        self.auth.check(scope["path"], headers)
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise Fault(415, "found a compressed body, expected it as it is", field="Content-Encoding")

    async def _read(self, receive: Receive, expected: int, body: bytearray, guard: Guard) -> None:
        """Everything that the client sends, into ``body``; it stays counted while it is answered.

        Raises:
            Fault: 413, at once if the length that is announced is too much, else when that much has come; 503 too much
                of others is in flight, 499 the client went away.
        """
        more = expected != 0
        while more:
            if max(expected, len(body)) > self.limits.body_bytes:
                raise Fault(413, f"found a body of more than {self.limits.body_bytes:,} bytes, which is the limit")
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Fault(GONE, "the client left")
            piece = message.get("body", b"")
            guard.body(len(piece))
            if self.in_flight + len(piece) > self.limits.in_flight_bytes:
                raise Fault(503, "too much is being sent at once; try again in a moment", headers={"Retry-After": "1"})
            self.in_flight += len(piece)
            body += piece
            more = message.get("more_body", False)


class _Answer:
    """One answer on its way out."""

    def __init__(self, gate: Gate, method: str, scope: Scope, send: Send, headers: Mapping[bytes, bytes]) -> None:
        self._gate = gate
        self._method = method
        self._scope = scope
        self._send = send
        self._began = time.monotonic()
        self.status = 0
        self._sent = 0
        self._counted = False
        wanted = headers.get(b"x-request-id", b"")
        self.identity = wanted.decode() if _IDENTITY.fullmatch(wanted) else os.urandom(8).hex()
        trace = _TRACE.fullmatch(headers.get(b"traceparent", b""))
        self._more = {"trace": trace[1].decode()} if trace else {}

    async def send(self, message: Message) -> None:
        """Add what every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {name for name, _ in message["headers"]}
            more = [header for header in SECURITY if header[0] not in names]
            more.append((b"x-request-id", self.identity.encode()))
            if self._gate.draining:
                more.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *more]}
        else:
            if self._method == "HEAD":
                message = {**message, "body": b""}
            self._sent += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.count()  # before the client can know, so that it never sees a count without its own request
        await self._send(message)

    async def fault(self, fault: Fault, unread: bool = False) -> None:
        """Answer with ``fault``, if nothing was said yet; if the client still sends, that is not read."""
        if self.status:
            return
        about, body = fault.answer(self._scope["path"])
        if unread:
            about["connection"] = "close"
        headers = [(name.lower().encode(), value.encode()) for name, value in about.items()]
        await self.send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def count(self) -> None:
        """Into the metrics and the log. Neither sees what was sent, nor an address that is no route of ours."""
        if self._counted:
            return
        self._counted = True
        route: Any = self._scope.get("route")
        seconds = time.monotonic() - self._began
        shown = self._method if self._method in _METHODS else "other"
        self._gate.metrics.answered(getattr(route, "path", "other"), shown, self.status, seconds)
        client = self._scope["client"]
        self._gate.log(
            "request",
            id=self.identity,
            client=client[0] if client else "",
            method=self._method,
            path=self._scope["path"][:200],
            status=self.status,
            bytes=self._sent,
            milliseconds=round(1000 * seconds, 2),
            **self._more,
        )
