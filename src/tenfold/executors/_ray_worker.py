"""What runs on a cluster's machines: one task, and the mailbox through which tasks and driver talk."""

from __future__ import annotations

import json
import os
import platform
import threading
import traceback
from typing import Any

from tenfold.errors import ResourceError, TenfoldError
from tenfold.executors import Context, Json, resolve

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
