"""What the tests of Ray share: a small training, a child that trains, and a look at processes."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tenfold
from _small_training import recipe, table
from tenfold.pipeline import Listener

TESTS = Path(__file__).parent
EPOCH_SECONDS = 3.0
"""An epoch of ``tasks:train_at_a_pace`` lasts so long, and some milliseconds."""


def train(folder: Path, executor: str, name: str, **settings: Any) -> tenfold.Run:
    (folder / name).mkdir()
    made = recipe(folder / name, **settings)
    return tenfold.train(
        made, train=table(folder / name), out=folder / name, executor=executor, workers=2, progress=False
    )


class Hunter(Listener):
    """Kills every worker each time a member ends one of these epochs."""

    def __init__(self, *epochs: int) -> None:
        self.epochs = epochs
        self.killed: set[tuple[int, int]] = set()
        self.resumed: list[int] = []

    def event(self, member: int, event: dict[str, Any]) -> None:
        if "resumed" in event:
            self.resumed.append(member)
        place = (member, event["history"]["epoch"]) if "history" in event else (member, 0)
        if place[1] in self.epochs and place not in self.killed:
            self.killed.add(place)
            for pid in ray_processes("ray::task", os.getpid()):
                os.kill(pid, signal.SIGKILL)


def ray_processes(title: str, parent: int | None = None) -> list[int]:
    """Processes with this title; with ``parent``, only those below that process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if title.encode() in (path / "cmdline").read_bytes()[:400] and (
                parent is None or parent in ancestors(path)
            ):
                found.append(int(path.name))
        except OSError:
            pass
    return found


def ancestors(path: Path) -> list[int]:
    found = []
    while (number := int((path / "stat").read_text().rpartition(")")[2].split()[1])) > 1:
        found.append(number)
        path = Path("/proc") / str(number)
    return found


def child(folder: Path, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tenfold", "train", *map(str, arguments), "--executor", "ray", "--workers", "2"]
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@contextlib.contextmanager
def ray_machine(name: str, *arguments: str, before: str = "true", **environment: str) -> Iterator[None]:
    """``ray start`` as if on a machine of that name, whose files the shell command ``before`` may change; ends with the
    block.

    It is a process with a host name, mounts and process numbers of its own, which Linux gives to root only.
    """
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address=127.0.0.1"]
    start += ["--object-store-memory=80000000", "--disable-usage-stats", *arguments]
    apart = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*apart, "sh", "-c", f"hostname {name} && {before} && exec {shlex.join(start)}"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said)
        try:
            assert wait_for(
                lambda: b"runtime started" in os.pread(said.fileno(), 1 << 20, 0) or process.poll() is not None
            )
            assert process.poll() is None, os.pread(said.fileno(), 1 << 20, 0).decode()
            yield
        finally:
            process.kill()
            process.wait()


def machines_of_their_own() -> bool:
    """Whether :func:`ray_machine` can be had."""
    apart = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "hostname", "another"]
    return (
        shutil.which("unshare") is not None and subprocess.run(apart, capture_output=True, check=False).returncode == 0
    )


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False
