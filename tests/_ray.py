"""What the tests of Ray share: a small training, a child that trains, and a look at processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tenfold
from _small_training import recipe, table
from tenfold.pipeline import Listener

TESTS = Path(__file__).parent


def train(folder: Path, executor: str, name: str, **settings: Any) -> tenfold.Run:
    (folder / name).mkdir()
    made = recipe(folder / name, **settings)
    return tenfold.train(made, train=table(folder / name), out=folder / name, executor=executor, workers=2, progress=False)


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
            for pid in ray_processes("ray::task"):
                os.kill(pid, signal.SIGKILL)


def ray_processes(title: str, parent: int | None = None) -> list[int]:
    """Processes with this title; with ``parent``, only those below that process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if title.encode() in (path / "cmdline").read_bytes()[:400] and (parent is None or parent in ancestors(path)):
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


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False
