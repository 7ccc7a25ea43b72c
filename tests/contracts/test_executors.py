"""What holds for every registered executor, wherever it runs its tasks."""

import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from _tasks import ERRORS
from tenfold.errors import DataError, ResourceError
from tenfold.executors import EXECUTORS, Executor


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "ray")) for name in EXECUTORS])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Executor:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH")))))
    return EXECUTORS.get(request.param)(workers=2)


def unheard(index: int, event: dict[str, Any]) -> None:
    raise AssertionError("there should be no event")


def test_results_come_in_the_order_of_the_tasks_not_in_that_of_their_ends(executor: Executor) -> None:
    tasks = [{"number": 3, "seconds": 0.3}, {"number": 1}, {"number": 2}]
    assert executor.map("_tasks:square", tasks, unheard) == [{"square": 9}, {"square": 1}, {"square": 4}]


def test_no_tasks_are_no_results(executor: Executor) -> None:
    assert executor.map("_tasks:square", [], unheard) == []


def test_json_goes_there_and_back_unchanged(executor: Executor) -> None:
    task = {"text": "é漢\u2028\n\x00", "number": 0.1, "large": 2**60, "list": [1, None, {"a": True}]}
    assert executor.map("_tasks:echo", [task], unheard) == [task]


def test_events_arrive_in_order_with_the_index_of_their_task(executor: Executor) -> None:
    heard = defaultdict(list)

    def hear(index: int, event: dict[str, Any]) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard[index].append(event)

    executor.map("_tasks:report", [{"number": 7}, {"number": 8}], hear)
    assert heard == {0: [{"step": s, "number": 7} for s in (1, 2)], 1: [{"step": s, "number": 8} for s in (1, 2)]}


def test_what_a_task_prints_is_no_message(executor: Executor) -> None:
    assert executor.map("_tasks:chatter", [{}], unheard) == [{"result": "right"}]


@pytest.mark.parametrize("kind", list(ERRORS))
def test_an_error_arrives_as_the_same_error(executor: Executor, kind: str) -> None:
    with pytest.raises(type(ERRORS[kind])) as caught:
        executor.map("_tasks:fail", [{"kind": kind}], unheard)
    assert caught.value.as_json() == ERRORS[kind].as_json()
    if kind == "data":
        assert isinstance(caught.value, DataError)
        assert caught.value.lines() == ERRORS[kind].lines()


def test_a_bug_in_a_task_is_not_swallowed(executor: Executor) -> None:
    with pytest.raises(Exception, match="a bug"):
        executor.map("_tasks:crash", [{}], unheard)


def test_the_first_failure_ends_it_all(executor: Executor) -> None:
    with pytest.raises(ResourceError, match="first"):
        executor.map("_tasks:fail_or_wait", [{"number": number} for number in range(4)], unheard)


def test_d07_a_bug_in_one_task_lets_the_others_finish(executor: Executor) -> None:
    tasks = [{"number": number, "bad": 1} for number in range(4)]
    done = []
    with pytest.raises(Exception, match="a bug"):
        for index, _ in executor.stream("_tasks:fail_at", tasks, unheard, keep_going=True):
            done.append(index)
    assert sorted(done) == [0, 2, 3]


def test_what_concerns_all_tasks_ends_them_all(executor: Executor) -> None:
    tasks = [{"number": number, "bad": 0, "kind": "data"} for number in range(50)]
    done = []
    with pytest.raises(DataError):
        for index, _ in executor.stream("_tasks:fail_at", tasks, unheard, keep_going=True):
            done.append(index)
    assert len(done) < 49
