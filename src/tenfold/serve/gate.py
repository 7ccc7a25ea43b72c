"""What every request passes before a route sees it, and what every answer carries away."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serve.auth import OPEN, Auth
from tenfold.serve.faults import Fault
from tenfold.serve.hosts import Hosts
from tenfold.serve.log import Log
from tenfold.serve.metrics import Metrics
from tenfold.serve.rate import Rate

_IDENTITY = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_DOCUMENT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Gate:
    """ASGI middleware: host, origin, token, rate and encoding on the way in; headers, metrics and log on the way out."""

    def __init__(self, app: ASGIApp, hosts: Hosts, auth: Auth, rate: Rate, metrics: Metrics, log: Log) -> None:
        self.app = app
        self.hosts = hosts
        self.auth = auth
        self.rate = rate
        self.metrics = metrics
        self.log = log
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(self, scope, send)
        try:
            self._admit(scope)
            await self.app(scope, receive, answer.send)
        except Fault as fault:
            await answer.fault(fault)
        except Exception as error:
            self.log("error", request=answer.identity, kind=type(error).__name__, message=str(error)[:500])
            await answer.fault(Fault(500, "something went wrong here; the log has more"))
        finally:
            answer.count()

    def _admit(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers and name in (b"host", b"content-type", b"authorization", b"origin"):
                raise Fault(400, f"found the header {name.decode('latin-1')} twice")
            headers[name] = value
        client = scope["client"][0] if scope["client"] else ""
        local = scope["server"][0] if scope["server"] else None
        self.hosts.check(scope["method"], headers, local)
        try:
            if scope["path"] not in OPEN:
                self.rate.take(client)
        except Fault:
            self.metrics.rejected["rate"] += 1
            raise
        self.auth.check(scope["path"], headers)
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise Fault(415, "found a compressed body, expected it as it is", field="Content-Encoding")


class _Answer:
    """One answer on its way out."""

    def __init__(self, gate: Gate, scope: Scope, send: Send) -> None:
        self._gate = gate
        self._scope = scope
        self._send = send
        self._began = time.monotonic()
        self._status = 0
        self._sent = 0
        self._counted = False
        wanted = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        self.identity = wanted.decode() if _IDENTITY.fullmatch(wanted) else os.urandom(8).hex()

    async def send(self, message: Message) -> None:
        """Add what every answer has."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            names = {name for name, _ in message["headers"]}
            more = [header for header in (*SECURITY, _DOCUMENT_POLICY) if header[0] not in names]
            more.append((b"x-request-id", self.identity.encode()))
            if b"cache-control" not in names:
                more.append((b"cache-control", b"no-store"))
            if self._gate.draining:
                more.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *more]}
        else:
            self._sent += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.count()  # before the client can know, so that it never sees a count without its own request
        await self._send(message)

    async def fault(self, fault: Fault) -> None:
        """Answer with ``fault``, if nothing was said yet; the rest of what the client sends is not read."""
        if self._status:
            return
        about, body = fault.answer(self._scope["path"])
        headers = [(name.lower().encode(), value.encode()) for name, value in about.items()]
        await self.send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    def count(self) -> None:
        """Into the metrics and the log. Neither sees what was sent, nor an address that is no route of ours."""
        if self._counted:
            return
        self._counted = True
        route: Any = self._scope.get("route")
        name = getattr(route, "path", "other")
        seconds = time.monotonic() - self._began
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        self._gate.metrics.answered(name, method, self._status, seconds)
        client = self._scope["client"]
        self._gate.log(
            "request",
            id=self.identity,
            client=client[0] if client else "",
            method=self._scope["method"],
            path=self._scope["path"][:200],
            status=self._status,
            bytes=self._sent,
            milliseconds=round(1000 * seconds, 2),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
