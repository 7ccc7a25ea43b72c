"""The page's own files, read once: no request names a file of the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources

from starlette.responses import Response

from tenfold.serve.faults import Fault

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages:
    """The files below ``page/``, by name."""

    def __init__(self) -> None:
        folder = resources.files("tenfold.serve") / "page"
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES}
        self._tags = {name: f'"{hashlib.sha256(content).hexdigest()[:32]}"' for name, content in self._files.items()}

    def response(self, name: str, headers: Mapping[str, str]) -> Response:
        """The file ``name``, or 304 if the client has it.

        Raises:
            Fault: 404.
        """
        if name not in self._files:
            raise Fault(404, "there is nothing at this address")
        about = {"ETag": self._tags[name], "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        if headers.get("if-none-match") == self._tags[name]:
            return Response(status_code=304, headers=about)
        return Response(self._files[name], media_type=f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8", headers=about)
