"""From settings to an open port, and from SIGTERM to its end.

Hashes are compared before the port opens; models are loaded after that, while the service lives but is
not ready. On SIGTERM it stops being ready at once, listens on for ``drain_delay`` seconds so that a load
balancer can turn away, then takes no new connection, answers what it accepted, and ends. A second
signal ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import uvicorn

from tenfold.bundle.manifest import bundle_folder, check_hash
from tenfold.errors import Drained, ResourceError, Stopped, TenfoldError, UsageError
from tenfold.runtime import ENDING, allow_descriptors
from tenfold.service.app import build_app
from tenfold.service.gate import Auth, Gate, Hosts, Rate
from tenfold.service.observability import Log, Metrics
from tenfold.service.pool import Pool
from tenfold.service.protocol import Crowd, protocol_class
from tenfold.service.service import Pages, Service, ShortWay
from tenfold.service.settings import LOOPBACK, Settings

SPARE_FILES = 64
"""Descriptors that are not for connections."""


def serve(
    settings: Settings,
    *,
    log_to: Any = None,
    on_listening: Callable[[str], None] = print,
    worker_command: Sequence[str] = (),
) -> None:
    """Serve until a signal.

    Args:
        settings: what, where, within which limits.
        log_to: a text stream for JSON lines, or None.
        on_listening: told the address once it is open.
        worker_command: for tests: what Python runs instead of a worker.

    Raises:
        IntegrityError: a bundle is not what its manifest says.
        ResourceError: the address cannot be bound, or no worker starts.
        UsageError: the certificate cannot be used.
        Drained: the normal end, after SIGINT (130) or SIGTERM (143).
        Stopped: a second signal came before all was answered.
    """
    for folder in settings.models.values():
        check_hash(bundle_folder(folder))
    context = _tls(settings)
    listener = _bound(settings.host, settings.port)
    port = listener.getsockname()[1]
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{'https' if context else 'http'}://{name}:{port}/"
    with contextlib.closing(listener):
        loop = functools.partial(_Loop, settings.times.handshake)
        with asyncio.Runner(loop_factory=loop) as runner:
            ended = runner.run(_run(settings, listener, context, log_to, lambda: on_listening(address), worker_command))
    raise ended


async def _run(
    settings: Settings,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    log_to: Any,
    on_listening: Callable[[], None],
    worker_command: Sequence[str],
) -> TenfoldError:
    """Serve; why it ended."""
    metrics = Metrics()
    log = Log(log_to, metrics)
    _redirect_logging(log)
    welcome = {
        "models": dict(settings.models),
        "most_images": settings.limits.images,
        "keep": None if settings.keep is None else str(settings.keep),
        "most_examples": settings.limits.examples,
    }
    pool = Pool(welcome, settings.worker_count, settings.limits, settings.times, metrics, log, worker_command)
    service = Service(settings, pool, metrics)
    hosts = Hosts(settings.host, settings.allowed_hosts)
    app = ShortWay(build_app(service, Pages()), service)
    gate = Gate(app, hosts, Auth(settings.token), Rate(settings.limits.rate), metrics, log)
    config = uvicorn.Config(
        gate,
        http=protocol_class(Crowd(_within_descriptors(settings), settings.times, metrics)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(settings.times.keep_alive),
        timeout_graceful_shutdown=int(settings.times.drain),
        ssl_context_factory=None if context is None else lambda *_: context,
        backlog=1024,
    )
    server = _Server(config, service, gate, settings, log)
    serving = asyncio.create_task(server.serve([listener]))
    settled = asyncio.create_task(pool.settled())
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    on_listening()
    log("listening", host=settings.host, port=listener.getsockname()[1], models=list(settings.models))
    await asyncio.wait({serving, settled}, return_when=asyncio.FIRST_COMPLETED)
    if pool.failed is not None:
        server.should_exit = True
    elif settled.done():
        log("ready", models=[model["sha256"] for model in pool.models])
    await serving
    settled.cancel()
    await pool.close()
    ended = pool.failed or server.end()
    log("ended", reason=str(ended))
    log.close()
    return ended


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that waits less than a minute for a client to agree on TLS: until then no other limit sees it."""

    def __init__(self, handshake: float) -> None:
        super().__init__()
        self._handshake = handshake

    async def create_server(self, *arguments: Any, **keywords: Any) -> Any:
        """As asyncio's, with a bound on the handshake."""
        if keywords.get("ssl") is not None:
            keywords.setdefault("ssl_handshake_timeout", self._handshake)
        return await super().create_server(*arguments, **keywords)


class _Server(uvicorn.Server):
    """uvicorn's server with the phase between "not ready" and "not listening"."""

    def __init__(self, config: uvicorn.Config, service: Service, gate: Gate, settings: Settings, log: Log) -> None:
        super().__init__(config)
        self.signal = 0
        self._service = service
        self._gate = gate
        self._delay = settings.times.drain_delay
        self._log = log
        self._loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, *ENDING)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.signal:
            self.should_exit = self.force_exit = True
            return
        self.signal = sig
        self._loop.call_soon_threadsafe(self._drain)  # a handler can interrupt anything, so it does nothing itself

    def end(self) -> Stopped:
        """How it ended, after a signal."""
        number = signal.Signals(self.signal or signal.SIGINT)
        if self.force_exit:
            return Stopped(f"a second {number.name}: stopped at once, without waiting for answers", 128 + number)
        return Drained(f"{number.name}: drained and stopped", 128 + number)

    def _drain(self) -> None:
        self._service.draining = self._gate.draining = True
        self._log("draining", signal=signal.Signals(self.signal).name)
        # Ctrl-C is someone at a terminal: there is no load balancer to wait for
        self._loop.call_later(0 if self.signal == signal.SIGINT else self._delay, self._close)

    def _close(self) -> None:
        self.should_exit = True


class _Handler(logging.Handler):
    """What libraries report as errors, into our log; what they think of bad requests is told to the client, not
    here.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._to = log
        self._said: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now, message = time.monotonic(), record.getMessage()[:500]
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        if now - self._said.get((record.name, kind), -1.0) < 1:
            return  # an open port without descriptors says the same a thousand times a second
        self._said[record.name, kind] = now
        self._to("error", source=record.name, message=message, kind=kind)


def _redirect_logging(log: Log) -> None:
    # without a handler, Python writes to standard error from within the event loop: a full pipe would stop everything
    for name in ("uvicorn.error", "asyncio", "python_multipart"):
        logger = logging.getLogger(name)
        logger.handlers = [_Handler(log)]
        logger.propagate = False


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # named as TCP, so that asyncio turns Nagle off on what it accepts: 40 ms for each answer otherwise
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        advice = {
            errno.EADDRINUSE: (
                "another program listens there; choose another with --port, or --port 0 for any that is free"
            ),
            errno.EACCES: "ports below 1024 are for administrators; choose another with --port",
            errno.EADDRNOTAVAIL: "this machine has no such address; choose another with --host",
        }.get(error.errno or 0, "choose another with --host or --port")
        raise ResourceError(f"cannot listen on {host} port {port}: {error.strerror or error} - {advice}") from error
    listener.set_inheritable(False)
    return listener


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cannot use the certificate {settings.certfile}: {error}; expected a PEM file, and its key"
        ) from None
    return context


def _within_descriptors(settings: Settings) -> Any:
    """The limits, with no more connections than the system gives descriptors."""
    from dataclasses import replace

    most = allow_descriptors(settings.limits.connections + SPARE_FILES)
    return replace(settings.limits, connections=max(8, min(settings.limits.connections, most - SPARE_FILES)))


def check_exposure(settings: Settings, insecure: bool) -> None:
    """Refuse to listen to other machines without a token.

    Raises:
        UsageError: that is what the settings say.
    """
    if settings.host not in LOOPBACK and settings.token is None and not insecure:
        raise UsageError(
            f"--host {settings.host} lets other machines in: set a token with --token-file or TENFOLD_TOKEN, "
            "or pass --insecure if something else keeps strangers out"
        )
