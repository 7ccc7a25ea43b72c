"""Executors: order, events, errors, and stopping without orphans."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tenfold.errors import IntegrityError, ResourceError, Stopped, TenfoldError
from tenfold.executors import EXECUTORS
from tenfold.executors.processes import Processes
from tenfold.runtime import unwinding

HERE = Path(__file__).parent
NAMES = [name for name in EXECUTORS if name != "ray"]  # which has a file of its own


@pytest.fixture(autouse=True)
def tasks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(str(HERE))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_results_come_in_the_order_of_the_tasks(name: str) -> None:
    events: list[tuple[int, dict[str, Any]]] = []
    work = [{"value": 1, "wait": 0.3}, {"value": 2}, {"value": 3}]
    results = EXECUTORS.get(name)(2).map("tasks:double", work, lambda i, e: events.append((i, e)))
    assert [r["value"] for r in results] == [2, 4, 6]
    assert sorted(events, key=lambda e: e[0]) == [(0, {"starting": 1}), (1, {"starting": 2}), (2, {"starting": 3})]


@pytest.mark.parametrize("name", NAMES)
def test_no_tasks_no_results(name: str) -> None:
    assert EXECUTORS.get(name)(2).map("tasks:double", [], lambda i, e: None) == []


def test_each_task_has_a_process_with_one_thread() -> None:
    results = Processes(2).map("tasks:double", [{"value": v} for v in range(3)], lambda i, e: None)
    assert len({r["pid"] for r in results} | {os.getpid()}) == 4
    assert {r["threads"] for r in results} == {"1"}


@pytest.mark.parametrize("name", NAMES)
def test_an_error_arrives_as_its_own_class(name: str) -> None:
    with pytest.raises(IntegrityError, match="member 1 does not match"):
        EXECUTORS.get(name)(2).map("tasks:fail", [{"value": 1}, {"value": 0}], lambda i, e: None)


def test_a_bug_in_a_worker_is_shown_with_its_traceback() -> None:
    with pytest.raises(TenfoldError, match=r"KeyError: 'a bug'") as caught:
        Processes(1).map("tasks:bug", [{}], lambda i, e: None)
    assert caught.value.exit_code == 1


def test_a_worker_that_dies_is_named() -> None:
    with pytest.raises(ResourceError, match="worker of task 0 ended with exit code 9"):
        Processes(1).map("tasks:die", [{}], lambda i, e: None)


def test_a_failure_stops_the_others() -> None:
    pids: list[int] = []
    began = time.monotonic()
    with pytest.raises(IntegrityError):
        Processes(2).map("tasks:fail", [{"value": 0}, {"value": 1}], lambda i, e: pids.append(e["pid"]))
    assert time.monotonic() - began < 10
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_stops_at_a_safe_point(name: str, number: int, code: int) -> None:
    def on_event(index: int, event: dict[str, Any]) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        EXECUTORS.get(name)(1).map("tasks:until_stopped", [{}, {}], on_event)
    assert caught.value.exit_code == code
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_whose_exception_was_swallowed_still_stops(name: str, number: int, code: int) -> None:
    events: list[dict[str, Any]] = []
    with unwinding():
        with contextlib.suppress(BaseException):  # as modules of Cython do while they are imported
            os.kill(os.getpid(), number)
        with pytest.raises(Stopped) as caught:
            EXECUTORS.get(name)(2).map("tasks:double", [{"value": 1}], lambda i, e: events.append(e))
    assert (caught.value.exit_code, events) == (code, [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_the_last_task_is_not_lost(number: int, code: int) -> None:
    with pytest.raises(Stopped) as caught:
        EXECUTORS.get("local")(1).map("tasks:double", [{"value": 1}], lambda i, e: os.kill(os.getpid(), number))
    assert caught.value.exit_code == code


@pytest.mark.parametrize("name", NAMES)
def test_what_failed_is_said_though_a_signal_came_too(name: str) -> None:
    def fail(index: int, event: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise IntegrityError("this happened")

    with pytest.raises(IntegrityError, match="this happened"):
        EXECUTORS.get(name)(1).map("tasks:double", [{"value": 1}], fail)


def test_workers_stop_when_their_parent_is_killed() -> None:
    script = (
        "from tenfold.executors.processes import Processes\n"
        "Processes(2).map('tasks:until_stopped', [{}, {}], lambda i, e: print(e['pid'], flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent, parent.stdout, parent.stderr:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
        said = parent.stderr.read()  # until the workers, which inherited it, have ended too
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)
    assert said == ""
