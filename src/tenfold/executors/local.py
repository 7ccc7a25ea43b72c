"""One task after another, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenfold.errors import Stopped
from tenfold.executors import Context, Executor, Json, OnEvent, resolve
from tenfold.executors._signals import stop_flag


class Local(Executor):
    """Runs the tasks here, one by one: easy to debug, and what a single worker needs."""

    def map(self, function: str, tasks: Sequence[Mapping[str, Any]], on_event: OnEvent) -> list[Json]:
        """See :meth:`Executor.map`."""
        call = resolve(function)
        results = []
        with stop_flag() as flag:
            for index, task in enumerate(tasks):
                if flag():
                    raise flag.stopped()

                def emit(event: Json, index: int = index) -> None:
                    on_event(index, event)

                try:
                    results.append(call(Context(emit, flag), **task))
                except Stopped:
                    raise flag.stopped() from None
        return results
