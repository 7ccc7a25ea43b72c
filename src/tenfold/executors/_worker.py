"""A worker process: ``python -m tenfold.executors._worker``.

The first line on standard input is the task; a further line, or the end of the input (the parent
died), asks to stop at the next safe point. Events and the result go to standard output, a JSON
object a line; whatever the task itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Any

from tenfold.errors import Stopped, TenfoldError, out_of_memory
from tenfold.executors import Context, resolve
from tenfold.runtime import ENDING


def main() -> None:
    """Run the one task that standard input describes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends Ctrl-C to every process: the parent decides
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    stop = threading.Event()
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        stop.set()

    for number in ENDING:
        signal.signal(number, end)
    request = json.loads(sys.stdin.readline())

    def wait_for_stop() -> None:
        sys.stdin.readline()
        stop.set()

    threading.Thread(target=wait_for_stop, daemon=True).start()

    def send(kind: str, content: Any) -> None:
        try:
            channel.write(json.dumps({kind: content}) + "\n")
            channel.flush()
        except BrokenPipeError:
            stop.set()  # nobody listens any more

    try:
        context = Context(lambda event: send("event", event), stop.is_set)
        send("result", resolve(request["function"])(context, **request["task"]))
    except TenfoldError as error:
        if isinstance(error, Stopped) and came:  # not by the parent, who heard what the terminal sent
            error = Stopped(f"a worker was stopped by {signal.Signals(came[0]).name}", 128 + came[0])
        send("error", error.as_json())
    except BaseException as error:
        send("error", (out_of_memory(error) or TenfoldError(traceback.format_exc())).as_json())
    os._exit(0)  # the thread above still waits for input, and nobody may listen: there is nothing to flush or clean up


if __name__ == "__main__":
    main()
