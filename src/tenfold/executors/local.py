"""One task after another, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tenfold.errors import Stopped
from tenfold.executors import Context, Executor, Json, OnEvent, concerns_all, resolve
from tenfold.runtime import stop_flag


class Local(Executor):
    """Runs the tasks here, one by one: easy to debug, and what a single worker needs."""

    def stream(
        self, function: str, tasks: Iterable[Mapping[str, Any]], on_event: OnEvent, *, keep_going: bool = False
    ) -> Iterator[tuple[int, Json]]:
        """See :meth:`Executor.stream`."""
        call = resolve(function)
        failure: Exception | None = None
        with stop_flag() as flag:
            for index, task in enumerate(tasks):
                if flag():
                    raise flag.stopped()

                def emit(event: Json, index: int = index) -> None:
                    on_event(index, event)

                try:
                    result = call(Context(emit, flag), **task)
                except Stopped:
                    raise flag.stopped() from None
                except Exception as error:
                    if not keep_going or concerns_all(error):
                        raise
                    failure = failure or error
                    continue
                yield index, result
            if failure is not None:
                raise failure
