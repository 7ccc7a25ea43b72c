"""Which names the service answers to, and whose pages may post to it.

Binding to loopback does not keep out a browser on the same machine: a page from anywhere can post to
``http://127.0.0.1``, and with a name of its own that suddenly points there (DNS rebinding) it could even
read the answer. So the ``Host`` must be one of our names, and a request that a page sends must come
from a page of ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from tenfold.serve.faults import Fault

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"https?://(.+)", re.ASCII)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Hosts:
    """The rule for one service.

    Args:
        bound: the address that it listens on.
        further: names that the user added.
    """

    def __init__(self, bound: str, further: Iterable[str] = ()) -> None:
        names = {bound.lower(), *(name.lower() for name in further), *LOCAL_NAMES}
        self.names = {f"[{name}]" if _is_ipv6(name) else name for name in names}
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
