"""Ray as an executor: the same members as anywhere else, the same signals, no more tasks than asked for."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from _ray import TESTS, train
from _small_training import weights
from tenfold.errors import IntegrityError, Stopped
from tenfold.plugins.ray import Ray

HERE = Path(__file__).parent
pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def tasks_importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_d06_members_trained_on_ray_are_those_trained_here(ray_cluster: None, tmp_path: Path) -> None:
    """The smoke test: events, errors, one thread a worker, and R02, all on one cluster."""
    events: list[tuple[int, dict[str, Any]]] = []
    results = Ray(2).map("tasks:double", [{"value": 1, "wait": 0.3}, {"value": 2}], lambda i, e: events.append((i, e)))
    assert [result["value"] for result in results] == [2, 4]
    assert {result["threads"] for result in results} == {"1"}
    assert os.getpid() not in {result["pid"] for result in results}
    assert sorted(events, key=lambda e: e[0]) == [(0, {"starting": 1}), (1, {"starting": 2})]
    with pytest.raises(IntegrityError, match="member 1 does not match"):
        Ray(1).map("tasks:fail", [{"value": 1}], lambda i, e: None)
    there, here = train(tmp_path, "ray", "there"), train(tmp_path, "local", "here")
    assert weights(there) == weights(here)
    assert len(weights(here)) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_a_safe_point(ray_cluster: None, number: int, code: int) -> None:
    def on_event(index: int, event: dict[str, Any]) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        Ray(1).map("tasks:until_stopped", [{}, {}], on_event)
    assert caught.value.exit_code == code
    assert signal.getsignal(number) is before


@pytest.mark.slow
def test_no_more_tasks_are_asked_for_than_workers_are_there(ray_cluster: None) -> None:
    """Back-pressure: an endless supply is taken as fast as it is worked on."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield {"value": taken}

    stream = Ray(2).stream("tasks:double", endless(), lambda i, e: None)
    for done in range(1, 8):
        next(stream)
        assert taken <= done + 2
    stream.close()
