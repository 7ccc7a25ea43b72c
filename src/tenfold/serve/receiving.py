"""The body of a request, up to a limit."""

from __future__ import annotations

from starlette.requests import Request

from tenfold.serve.faults import Fault


class Disconnected(Exception):
    """The client is gone; nobody waits for an answer."""


async def body_of(request: Request, limit: int) -> bytearray:
    """Everything that the client sends.

    Raises:
        Fault: 413, at once if the length that is announced is over ``limit``, else when that much has come.
        Disconnected: the client went away.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Fault(400, "found no valid Content-Length", field="Content-Length")
    if int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return body


def _too_large(limit: int) -> Fault:
    return Fault(413, f"found a body of more than {limit:,} bytes, which is the limit")
