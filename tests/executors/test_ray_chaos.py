"""Workers and machines that die at random while members train: D01, D03 and D08 of docs/reliability.md, as long as they
say.

D03 needs a cluster of its own, so it comes before the test that uses the module's.

TENFOLD_CHAOS_SECONDS is how long machines come and go in D03: 60 unless it is set, 600 as the case asks.
"""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tenfold
from _ray import EPOCH_SECONDS, TESTS, ray_processes, train
from _small_training import recipe, table, weights
from tenfold.pipeline import Listener
from tenfold.training import ensemble as training

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
KILLS = 20
MACHINE_SECONDS = 30.0
"""A machine lives so long."""


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


MAP = """
import sys
from tenfold.errors import TenfoldError
from tenfold.plugins.ray import Ray
try:
    Ray(1).map("tasks:until_stopped", [{}], lambda index, event: None)
except TenfoldError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_d08_a_worker_killed_for_memory_is_named_as_such() -> None:
    """Ray's monitor takes the machine for full from one hundredth on; a process keeps such settings, so it is another
    one.
    """
    settings = {
        "RAY_memory_usage_threshold": "0.01",
        "RAY_memory_monitor_refresh_ms": "100",
        "RAY_task_oom_retries": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", MAP], env={**os.environ, **settings}, capture_output=True, text=True, timeout=120
    )
    assert "out of memory" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 4


class Watcher(Listener):
    """Keeps the last epoch that each member told of, and how much of it was lost whenever it went on."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.lost: list[int] = []

    def event(self, member: int, event: dict[str, Any]) -> None:
        if "history" in event:
            self.epochs[member] = event["history"]["epoch"]
        elif "resumed" in event:
            self.lost.append(self.epochs.get(member, 0) - event["resumed"]["epoch"])


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of a head without cores and two machines of one core each, all of them processes here."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 otherwise: on a busy machine nothing would come of the members
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("TENFOLD_RAY_INSECURE", "1")  # its address is not 127.0.0.1, though this machine's
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(
        initialize_head=True, head_node_args=head, shutdown_at_exit=False
    )  # its hooks want the main thread
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def test_d03_machines_that_come_and_go_change_no_bit(
    machines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 30 seconds a machine dies with all that runs on it, and another one comes; members mostly rest."""
    seconds = float(os.environ.get("TENFOLD_CHAOS_SECONDS", "60"))
    members, workers = 4, 2
    size = {"members": members, "epochs": math.ceil(seconds * workers / members / EPOCH_SECONDS) + 2}
    expected = weights(train(tmp_path, "processes", "here", **size))
    there, watcher, over = tmp_path / "there", Watcher(), threading.Event()
    there.mkdir()
    lost: list[float] = []
    deaths = int(seconds // MACHINE_SECONDS)

    def come_and_go() -> None:
        while len(watcher.epochs) < workers and not over.wait(0.1):
            pass  # on a busy machine it takes a while until the first epochs
        dice, begun = random.Random(3), time.monotonic()
        for number in range(1, deaths + 1):
            if over.wait(max(0.0, begun + number * MACHINE_SECONDS - time.monotonic())):
                return
            machines.remove_node(dice.choice(sorted(machines.worker_nodes, key=id)), allow_graceful=False)
            machines.add_node(num_cpus=1)
            lost.append(time.monotonic())

    monkeypatch.setattr(training, "TASK", "tasks:train_at_a_pace")
    chaos = threading.Thread(target=come_and_go)
    chaos.start()
    try:
        os.environ["RAY_ADDRESS"] = machines.address
        run = tenfold.train(
            recipe(there, **size), train=table(there), out=there, executor="ray", workers=workers, progress=watcher
        )
    finally:
        over.set()
        chaos.join()
        os.environ.pop("RAY_ADDRESS", None)
    assert weights(run) == expected
    assert len(lost) == deaths, "the training was over too soon"
    assert watcher.lost
    assert max(watcher.lost) <= 1


class Killer(Watcher):
    """Kills some worker, a random moment after every tenth epoch or so that a member tells of, until there were
    enough.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(1)
        self.killed: list[int] = []

    def event(self, member: int, event: dict[str, Any]) -> None:
        super().event(member, event)
        if "history" in event and len(self.killed) < KILLS and self.dice.random() < 0.1:
            threading.Timer(self.dice.uniform(0.0, 0.5), self.kill).start()

    def kill(self) -> None:
        if victims := ray_processes("ray::task", os.getpid()):
            self.killed.append(self.dice.choice(victims))
            os.kill(self.killed[-1], signal.SIGKILL)


def test_d01_twenty_kills_at_random_times_change_no_bit(ray_cluster: None, tmp_path: Path) -> None:
    """A checkpoint is written after every epoch and every 60 ms, so that at most the epoch just told of is lost."""
    size = {"members": 4, "epochs": 80}
    expected = weights(train(tmp_path, "processes", "here", **size))
    there, killer = tmp_path / "there", Killer()
    there.mkdir()
    run = tenfold.train(
        recipe(there, **size), train=table(there), out=there, executor="ray", workers=2, progress=killer
    )
    assert len(killer.killed) >= KILLS, "the training was over too soon"
    assert weights(run) == expected
    assert killer.lost, "nothing went on from a checkpoint"
    assert max(killer.lost) <= 1
