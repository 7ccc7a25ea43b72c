"""From settings to an open port, and from SIGTERM to its end.

Bundles are read and their hashes compared before the port opens; workers open them after that, while the service
lives but is not ready. Whatever lies on the disk later is not looked at, until SIGHUP (unless it comes from a terminal
that was closed) loads all of it anew. On SIGTERM the service stops being ready at once, listens on for ``drain_delay``
seconds so that a load balancer can turn away, then takes no new connection, answers what it accepted, and ends. A
second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any, cast

import uvicorn

from tenfold.bundle.manifest import MANIFEST, MODEL, bundle_folder, check_hash, read_manifest, read_model
from tenfold.errors import Drained, ResourceError, Stopped, TenfoldError, UsageError
from tenfold.runtime import ENDING, allow_descriptors
from tenfold.service.app import build_app
from tenfold.service.gate import Auth, Gate, Hosts, Rate
from tenfold.service.guard import Connections
from tenfold.service.observability import Log, Metrics
from tenfold.service.pool import Pool, Welcome
from tenfold.service.service import Pages, Service, ShortWay
from tenfold.service.settings import LOOPBACK, Limits, Settings

RELOAD: signal.Signals | None = getattr(signal, "SIGHUP", None)
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
    welcome = _welcome(settings)
    context = _tls(settings)
    listener = _bound(settings.host, settings.port)
    port = listener.getsockname()[1]
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{'https' if context else 'http'}://{name}:{port}/"
    with contextlib.closing(listener):
        ended = asyncio.run(
            _run(settings, welcome, listener, context, log_to, lambda: on_listening(address), worker_command)
        )
    raise ended


def _welcome(settings: Settings) -> Welcome:
    """What is served, as it lies on the disk now.

    Raises:
        IntegrityError: a bundle is not what its manifest says.
    """
    folders = {name: bundle_folder(path) for name, path in settings.models.items()}
    for folder in folders.values():
        check_hash(folder)
    manifests = {name: read_manifest(folder / MANIFEST) for name, folder in folders.items()}
    header = {
        "models": {name: manifest.as_json() for name, manifest in manifests.items()},
        "most_images": settings.limits.images,
        "keep": None if settings.keep is None else str(settings.keep),
        "most_examples": settings.limits.examples,
    }
    models = [read_model(folders[name] / MODEL, manifest.model.bytes) for name, manifest in manifests.items()]
    return Welcome(header, models)


async def _run(
    settings: Settings,
    welcome: Welcome,
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
    pool = Pool(welcome, settings.worker_count, settings.limits, settings.times, metrics, log, worker_command)
    service = Service(settings, pool, metrics)
    hosts = Hosts(settings.host, settings.allowed_hosts, settings.allowed_origins)
    app = ShortWay(build_app(service, Pages()), service)
    limits = _within_descriptors(settings.limits)
    gate = Gate(app, hosts, Auth(settings.token), Rate(limits.rate), limits, metrics, log)
    config = uvicorn.Config(
        gate,
        http=cast(Any, Connections(limits, settings.times, metrics, context).protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_keep_alive=int(settings.times.keep_alive),
        timeout_graceful_shutdown=int(settings.times.drain),
    )
    server = _Server(config, service, gate, pool, settings, log)
    pool.on_failed = server.close
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if server.started:
        on_listening()
        log("listening", host=settings.host, port=listener.getsockname()[1], models=list(settings.models))
    await serving
    await pool.close()
    ended = pool.failed or server.end()
    log("ended", reason=str(ended))
    log.close()
    return ended


class _Server(uvicorn.Server):
    """uvicorn's server with the phase between "not ready" and "not listening"."""

    def __init__(
        self, config: uvicorn.Config, service: Service, gate: Gate, pool: Pool, settings: Settings, log: Log
    ) -> None:
        super().__init__(config)
        self.signal = 0
        self._service = service
        self._gate = gate
        self._pool = pool
        self._settings = settings
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._reloading: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, *ENDING)}
        if RELOAD is not None and not (
            sys.stdin and sys.stdin.isatty()
        ):  # a closed terminal sends it, too, and means the end
            signal.signal(RELOAD, lambda *_: self._loop.call_soon_threadsafe(self._reload))
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = self._loop.create_task(self._reloaded())

    async def _reloaded(self) -> None:
        try:
            await self._pool.reload(await asyncio.to_thread(_welcome, self._settings))
            self._log("reloaded", models=[model["sha256"] for model in self._pool.models])
        except TenfoldError as error:
            self._log("not reloaded", reason=str(error))

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
        self._loop.call_later(0 if self.signal == signal.SIGINT else self._settings.times.drain_delay, self.close)

    def close(self) -> None:
        """Take no new connection, answer what was accepted, and end."""
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
        listener.listen(1024)  # two services may bind one port before either of them listens
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


def _within_descriptors(limits: Limits) -> Limits:
    """The limits, with no more connections than the system gives descriptors."""
    most = allow_descriptors(limits.connections + SPARE_FILES) - SPARE_FILES
    return replace(limits, connections=max(8, min(limits.connections, most)))


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
