"""What a client did wrong, or the service cannot do now: a status, a code, a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tenfold.errors import printable

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    421: "misdirected_request",
    422: "invalid",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal",
    503: "unavailable",
    504: "timeout",
}


CLOSING = frozenset({400, 408, 413, 421})
"""After these the connection is closed: what else comes on it is not to be trusted, or not to be waited for."""


class Fault(Exception):
    """An answer other than the one asked for.

    Attributes:
        status: of HTTP.
        message: what was found, what is expected; never a path, a class or a version.
        field: where in the request, such as ``images.3.pixels``.
        headers: of the answer.
        code: the same as ``status``, in a word.
    """

    def __init__(
        self, status: int, message: str, *, field: str = "", code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = printable(message)[:500]
        self.field = printable(field)[:200]
        self.code = code or CODES[status]
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The JSON document of the answer."""
        return error_body(self.code, self.message, self.field)

    def answer(self, path: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of the answer to a request for ``path``: below /v2, errors are as the protocol there wants them."""
        body = json.dumps({"error": self.message}).encode() if path.startswith("/v2") else self.body()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
        if self.status in CLOSING:
            headers["connection"] = "close"
        return headers, body


def error_body(code: str, message: str, field: str = "") -> bytes:
    """``{"error": {"code", "message", "field"}}``."""
    return json.dumps({"error": {"code": code, "message": message, "field": field}}).encode()
