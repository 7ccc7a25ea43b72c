"""Everything that can be set, in one frozen value; the defaults are the documented ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tenfold.runtime import cores

READABLE = (1, 28, 28)
"""Images for which there is a recipe from a photo to the model's input: MNIST's."""
REJECT = 0.5
"""Below this confidence an answer is marked rejected, where the bundle names no threshold of its own."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Limits:
    """What one request, one client and all of them together may take."""

    body_bytes: int = 16 << 20
    header_bytes: int = 64 << 10
    """Request line and headers together."""
    headers: int = 128
    url_bytes: int = 8 << 10
    images: int = 256
    """In one request."""
    connections: int = 1000
    in_flight_bytes: int = 256 << 20
    """Of all bodies that are arriving or wait for a worker, together; the next one is told 503."""
    queue: int = 64
    """Requests that wait for a worker; the next one is told 503."""
    batch: int = 16
    """Requests that a worker takes at once if they are waiting."""
    rate: float = 0.0
    """Requests a second from one address, bursts of twice that; 0 is no limit."""
    examples: int = 10_000
    """Images kept with --keep."""


@dataclass(frozen=True)
class Times:
    """Seconds."""

    receive: float = 10.0
    """For a whole request to arrive, and for a client to take its answer."""
    handshake: float = 5.0
    """For TLS to be agreed on."""
    keep_alive: float = 5.0
    queue: float = 5.0
    """A request that waited longer is dropped without computing it."""
    compute: float = 15.0
    """A worker that needs longer is killed and started again."""
    drain_delay: float = 2.0
    """After SIGTERM: not ready, still listening."""
    drain: float = 10.0
    """After that, for what was accepted."""


@dataclass(frozen=True)
class Settings:
    """One service.

    Attributes:
        models: name -> a bundle, a run, "builtin" or a released name; the first is the default.
        host: address to bind.
        token: what clients must present, or None.
        allowed_hosts: further names by which clients may call the service.
        allowed_origins: further addresses, as "https://example.com", whose pages may send.
        trusted_proxies: addresses or networks whose ``X-Forwarded-For`` and ``-Proto`` are believed.
        keep: folder for labelled examples from the page, or None.
    """

    models: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    workers: int = 0
    keep: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    limits: Limits = Limits()
    times: Times = Times()

    @property
    def default_model(self) -> str:
        """The model of requests that name none."""
        return next(iter(self.models))

    @property
    def worker_count(self) -> int:
        """Processes that compute: asked for, or one for each core, two at least: one slow request must not stop all."""
        return self.workers or max(2, cores())
