"""Two members beside one: what the ratio is made of."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from tenfold.errors import UsageError
from tenfold.executors import Context
from tenfold.speed.measure import train_in_turns
from tenfold.speed.rates import compare_turns
from tenfold.values.recipe import parse_recipe

RECIPE = '[model]\nlayers = "8C3S2 BN FLAT SOFTMAX"\n[train]\nbatch_size = 32\n'
TURN = 2.0
FOLDER = Path(__file__).parents[2] / "lab" / "benchmarks"
QUIET = Context(lambda event: None, lambda: False)


@pytest.fixture
def keras_cnn(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("keras_cnn")


def test_one_process_pauses_every_other_turn() -> None:
    steps = train_in_turns(QUIET, RECIPE, [1, 28, 28], 8, 1.5, turn_seconds=0.5, pauses=True)["steps"]
    assert steps
    assert {int(began // 0.5) % 2 for began, _ in steps} == {1}


def turns(first: list[int], length: float, start: float = 0.0) -> list[list[float]]:
    """Steps of ``length`` seconds, one after another, in the turns ``first``."""
    each = int(TURN / length) - 1
    return [
        [turn * TURN + start + i * length, turn * TURN + start + (i + 1) * length]
        for turn in first
        for i in range(each)
    ]


def test_the_ratio_is_of_rates_seen_at_the_same_time() -> None:
    alone, beside = turns([12, 14], 0.1), turns([11, 13], 0.125)
    result = compare_turns(
        {"batch": 10, "steps": sorted(alone + beside)}, {"batch": 10, "steps": turns([11, 13], 0.125)}, TURN
    )
    assert result["alone"] == pytest.approx(100)
    assert result["together"] == pytest.approx(160)
    assert result["ratio"] == pytest.approx(1.6)


def test_steps_of_the_first_process_while_the_second_still_starts_do_not_count() -> None:
    before, alone, beside = turns([8, 9, 10], 0.5), turns([12], 0.1), turns([11], 0.1)
    result = compare_turns({"batch": 1, "steps": before + alone + beside}, {"batch": 1, "steps": beside}, TURN)
    assert result["ratio"] == pytest.approx(2)


def test_too_short_to_compare_is_said() -> None:
    with pytest.raises(UsageError, match=r"16 seconds are too short.*--seconds 32"):
        compare_turns({"batch": 1, "steps": turns([10], 0.1)}, {"batch": 1, "steps": []}, TURN)


def test_processes_count_while_all_of_them_train(keras_cnn: ModuleType) -> None:
    early, late = [[float(i), i + 1.0] for i in range(10)], [[5.5 + i, 6.5 + i] for i in range(10)]
    both = [{"batch": 10, "steps": early}, {"batch": 30, "steps": late}]
    assert keras_cnn.common_rate(both) == pytest.approx(40)
    with pytest.raises(UsageError, match="not train at the same time"):
        keras_cnn.common_rate([{"batch": 1, "steps": early[:2]}, {"batch": 1, "steps": late}])


def test_what_processes_train_together_is_counted(keras_cnn: ModuleType) -> None:
    # one process: on a busy machine two would have to train for long until they do so at the same time
    found = keras_cnn.together(parse_recipe(RECIPE), 1, seconds=0.5)
    assert 0 < found["images_per_second"] < 1.1 * found["images_per_core_second"]
