"""The token: ``Authorization: Bearer ...``, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from tenfold.serve.faults import Fault

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
            raise Fault(401, "found no valid token, expected Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"})


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
