"""The driver's connection to a Ray cluster, and the parts that run on the cluster's machines: a task, the mailbox."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from tenfold.errors import ResourceError, TenfoldError, UsageError, missing_extra, printable
from tenfold.executors import Context, Json, resolve
from tenfold.runtime import version

OLDEST = (2, 52)
"""The first Ray whose clusters can ask for a token."""
OBJECT_STORE = 100 * 2**20
"""Bytes of shared memory of a cluster of our own; only JSON passes through it, and Ray takes no less than 75 MiB."""
ADDRESS = "RAY_ADDRESS"
"""The environment variable in which Ray looks for a cluster."""
INSECURE = "TENFOLD_RAY_INSECURE"
"""Set to 1, it allows a remote cluster without a token."""
_HERE = re.compile(r"(?:ray://)?(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?")


def check_address(address: str, *, insecure: bool) -> None:
    """Refuse a remote cluster that anyone on its network could run code on.

    Ray runs whatever it is sent; see https://docs.ray.io/en/latest/ray-security.

    Raises:
        UsageError: no token is used, or Ray is too old to have them.
    """
    if _HERE.fullmatch(address) or address in ("local", "auto") or insecure:
        return
    found = tuple(int(part) for part in re.findall(r"\d+", version("ray") or "0")[:2])
    if found < OLDEST:
        raise UsageError(
            f"Ray {version('ray')} has no tokens, so whoever reaches {printable(address)} runs code there; install Ray "
            f"{'.'.join(map(str, OLDEST))} or later, or pass --insecure on a network that only you can reach"
        )
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise UsageError(
            f"{printable(address)} is not this machine, and RAY_AUTH_MODE is not 'token': whoever reaches the cluster"
            " would run code on it. Start it and tenfold with RAY_AUTH_MODE=token and the same RAY_AUTH_TOKEN, or pass"
            " --insecure on a network that only you can reach"
        )


@contextlib.contextmanager
def connected(workers: int, address: str | None, *, insecure: bool) -> Iterator[Any]:
    """The module ``ray``, connected: to ``address``, or to a cluster of this machine that ends with the block.

    A connection that is there already is used and kept. Our own cluster has no dashboard. Ray listens on every
    interface and cannot be told otherwise, so it asks for a token, which Ray keeps in the user's home.

    Raises:
        ResourceError: Ray is missing, does not answer, or is of another version there.
        UsageError: see :func:`check_address`.
    """
    if address is not None:
        check_address(address, insecure=insecure)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_task_oom_retries", "3")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 otherwise: whatever else runs here would come first
    ours = address is None or address == "local"
    if ours and "ray" not in sys.modules:  # it looks once; newer versions do it of themselves
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError:
        raise missing_extra("ray", "ray", "--executor ray") from None
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address}
    if ours:
        options = {
            "address": "local",
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
            "_node_ip_address": "127.0.0.1",
        }
    try:
        _connect(ray, options)
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, options: dict[str, Any]) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about defaults that will change; we set ours
            ray.init(**options, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
    except RuntimeError as error:
        if "ersion" in str(error):
            raise ResourceError(
                f"Ray and Python must be of one version on all machines: {_line(error)}. Install the same on this one"
            ) from None
        raise ResourceError(f"cannot start or join a Ray cluster: {_line(error)}") from None
    except (ConnectionError, TimeoutError, ValueError, OSError) as error:
        raise ResourceError(
            f"no Ray cluster answers at {printable(options['address'])}: {_line(error)}; is it running, and is the"
            " token right?"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own, which would end us without a word


def _line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)[:300]


EXCHANGE_SECONDS = 0.25


class Mailbox:
    """An actor. Tasks bring their events and learn whether to stop; the driver fetches events."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Json]] = []
        self._stopping: set[str] = set()
        self._all = False

    def exchange(self, attempt: str, events: list[Json]) -> bool:
        """Leave ``events``; whether this attempt is to stop."""
        self._events += [(attempt, event) for event in events]
        return self._all or attempt in self._stopping

    def fetch(self) -> list[tuple[str, Json]]:
        """All events since the last time."""
        events, self._events = self._events, []
        return events

    def stop(self, attempt: str | None = None) -> None:
        """Ask one attempt, or all, to stop at the next safe point."""
        self._all = self._all or attempt is None
        if attempt is not None:
            self._stopping.add(attempt)


def run_task(mailbox: Any, attempt: str, request: str) -> str:
    """Run one task; its result or its error, with the events that are not delivered yet, as JSON.

    Args:
        mailbox: handle of the :class:`Mailbox`.
        attempt: who is speaking; a task may be attempted more than once.
        request: ``function`` and ``task``, as JSON.
    """
    import ray

    outbox: list[Json] = [{"started": {"node": platform.node(), "pid": os.getpid()}}]
    lock = threading.Lock()
    stop, over = threading.Event(), threading.Event()

    def emit(event: Json) -> None:
        with lock:
            outbox.append({"event": event})

    def talk() -> None:
        while not over.is_set():
            with lock:
                events = outbox[:]
                outbox.clear()
            try:
                if ray.get(mailbox.exchange.remote(attempt, events)):
                    stop.set()
            except ray.exceptions.ActorUnavailableError:  # it is being started again
                with lock:
                    outbox[:0] = events
            except Exception:  # the driver is gone, and with it whoever would want a result
                stop.set()
                return
            over.wait(EXCHANGE_SECONDS)

    talking = threading.Thread(target=talk, daemon=True)
    talking.start()
    content = json.loads(request)
    try:
        answer: Json = {"result": resolve(content["function"])(Context(emit, stop.is_set), **content["task"])}
    except TenfoldError as error:
        answer = {"error": error.as_json()}
    except MemoryError:
        answer = {"error": ResourceError("out of memory; use fewer workers or a smaller batch").as_json()}
    except Exception:
        answer = {"error": TenfoldError(traceback.format_exc()).as_json()}
    over.set()
    talking.join()
    return json.dumps({**answer, "events": outbox, "node": platform.node()})
