"""The real command in a child process, quickly: a server imports tenfold once, and every command is a fork of it.

Run as a script it is that server: a line of JSON in for each command, a line of JSON out when it ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


class CommandServer:
    """Runs commands, each in a process of its own that is forked and not started anew."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )

    def run(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
        """(exit code, standard output, standard error) of ``tenfold ARGUMENTS`` in ``folder``."""
        assert self._server.stdin is not None and self._server.stdout is not None
        order = {"arguments": arguments, "folder": str(folder), "environment": environment}
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        code, out, err = json.loads(self._server.stdout.readline())
        return code, out, err

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


def _serve() -> None:
    import onnxruntime  # noqa: F401 - what commands import late is imported here, once
    import PIL.Image  # noqa: F401

    import tenfold.bundle.predict
    import tenfold.bundle.submission_check
    import tenfold.data.checks
    import tenfold.data.load
    import tenfold.reading  # noqa: F401
    from tenfold.cli import build_app, main

    build_app()
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                for file, number in ((out, 1), (err, 2)):
                    os.dup2(file.fileno(), number)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.chdir(order["folder"])
                os.environ.update(order["environment"])
                code = 70
                try:
                    main(order["arguments"])
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else 71
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        print(json.dumps([code, *said]), flush=True)


if __name__ == "__main__":
    _serve()
