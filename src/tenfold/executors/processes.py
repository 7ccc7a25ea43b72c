"""Each task in a process of its own with one thread: as many at once as there are workers."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.errors import ResourceError, TenfoldError, from_json
from tenfold.executors import Executor, Json, OnEvent, concerns_all
from tenfold.runtime import stop_flag

GRACE_SECONDS = 8.0

# glibc returns large blocks to the system at once and faults them in again at the next step;
# keeping them makes some training steps up to twice as fast
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


@dataclass
class _Worker:
    index: int
    process: subprocess.Popen[str]
    finished: bool = False

    def close_input(self) -> None:
        """Ask the task to stop at a safe point, or just let go of a worker that has ended."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.close()
        except OSError:
            pass


class Processes(Executor):
    """Runs the tasks in fresh processes, so that a task's bits cannot depend on what ran before it."""

    def stream(
        self, function: str, tasks: Iterable[Mapping[str, Any]], on_event: OnEvent, *, keep_going: bool = False
    ) -> Iterator[tuple[int, Json]]:
        """See :meth:`Executor.stream`."""
        messages: queue.Queue[tuple[_Worker, Json | None]] = queue.Queue()
        waiting: Iterator[tuple[int, Mapping[str, Any]]] | None = enumerate(tasks)
        running: list[_Worker] = []
        failure: TenfoldError | None = None
        with stop_flag() as flag:
            try:
                while failure is None or (keep_going and not concerns_all(failure)):
                    while waiting is not None and len(running) < self.workers and not flag():
                        if (task := next(waiting, None)) is None:
                            waiting = None
                        else:
                            running.append(_start(function, *task, messages))
                    if flag():
                        failure = flag.stopped()
                        break
                    if not running:
                        break
                    try:
                        worker, message = messages.get(timeout=0.1)
                    except queue.Empty:
                        continue
                    if message is None:
                        running.remove(worker)
                        worker.close_input()
                        if not worker.finished:
                            failure = failure or _died(worker)
                    elif "event" in message:
                        on_event(worker.index, message["event"])
                    else:
                        worker.finished = True
                        if "error" in message:
                            error = from_json(message["error"])
                            failure = error if concerns_all(error) else failure or error
                        else:
                            yield worker.index, message["result"]
            finally:
                _stop(running)
            if failure is not None:
                raise failure


def _start(
    function: str, index: int, task: Mapping[str, Any], messages: queue.Queue[tuple[_Worker, Json | None]]
) -> _Worker:
    process = subprocess.Popen(
        [sys.executable, "-m", "tenfold.executors._worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **ENVIRONMENT},
    )
    worker = _Worker(index, process)
    assert process.stdin is not None
    process.stdin.write(json.dumps({"function": function, "task": dict(task)}) + "\n")
    process.stdin.flush()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                messages.put((worker, json.loads(line)))
        process.wait()
        messages.put((worker, None))

    threading.Thread(target=read, daemon=True).start()
    return worker


def _stop(workers: Sequence[_Worker]) -> None:
    """Ask all to stop at a safe point; end those that don't."""
    for worker in workers:
        worker.close_input()
    deadline = time.monotonic() + GRACE_SECONDS
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.process.kill()
            worker.process.wait()


def _died(worker: _Worker) -> TenfoldError:
    code = worker.process.returncode
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    hint = " (often the system's answer to too little memory)" if code == -9 else ""
    return ResourceError(f"the worker of task {worker.index} {how}{hint}; finished work is kept, resume to go on")
