"""What `tenfold bench` measures and says: shapes and relations, never how fast this machine is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from _command_line import tenfold
from tenfold.bench.measure import measure, train_in_turns
from tenfold.bench.run import common_rate, compare_turns, together
from tenfold.errors import UsageError
from tenfold.executors import Context
from tenfold.values.recipe import parse_recipe

RECIPE = """
[model]
layers = "8C3S2 BN FLAT SOFTMAX"
[[augment]]
kind = "affine"
shift = 1
[train]
batch_size = 32
"""
MAC = 8 * 14 * 14 * 9 + 8 * 14 * 14 * 10
TURN = 2.0
QUIET = Context(lambda event: None, lambda: False)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def check(result: dict[str, Any]) -> None:
    assert result["mac"] == MAC
    assert result["parameters"] == 8 * 9 + 8 + 16 + 8 * 196 * 10 + 10
    assert result["batch_size"] == 32
    assert result["windows"] >= 3
    predict = result["predict"]
    assert set(predict) == {"torch", "onnx", "onnx_one", "onnx_all_cores"}
    for flops, figures in ((6 * MAC, result["train"]), *((2 * MAC, figures) for figures in predict.values())):
        assert figures["gflops"] == pytest.approx(figures["images_per_second"] * flops / 1e9)
        assert 0 < figures["share_of_product"] < 2
    assert predict["onnx_one"]["microseconds"] == pytest.approx(1e6 / predict["onnx_one"]["images_per_second"])
    assert predict["onnx_all_cores"]["threads"] == result["machine"]["cores"]
    assert result["train"]["images_per_second"] < predict["torch"]["images_per_second"]
    assert sum(result["step_seconds"].values()) > 0


def test_a_second_of_it_in_a_process_of_its_own(recipe: Path) -> None:
    done = tenfold("bench", recipe, "--seconds", "1", "--json")
    assert (done.code, done.err) == (0, "")
    check(json.loads(done.out))


def test_the_table_has_a_line_for_each_figure(recipe: Path) -> None:
    done = tenfold("bench", recipe, "--seconds", "1", "--batch", "16")
    for text in ("train, batches of 16", "ONNX Runtime", "microseconds", "matrix product", "convolution, backward", "optimiser"):
        assert text in done.out


def test_a_network_that_does_not_fit_is_a_usage_error(recipe: Path) -> None:
    done = tenfold("bench", recipe, "--set", "model.layers=8C9V SOFTMAX", "--shape", "8x8")
    assert done.code == 2
    assert "the image is only 8x8 here" in done.err


def test_measuring_in_this_process_says_the_same() -> None:
    check(measure(QUIET, RECIPE, [1, 28, 28], None, 0.5))


def test_one_process_pauses_every_other_turn() -> None:
    steps = train_in_turns(QUIET, RECIPE, [1, 28, 28], 8, 1.5, turn_seconds=0.5, pauses=True)["steps"]
    assert steps
    assert {int(began // 0.5) % 2 for began, _ in steps} == {1}


def turns(first: list[int], length: float, start: float = 0.0) -> list[list[float]]:
    """Steps of ``length`` seconds, one after another, in the turns ``first``."""
    each = int(TURN / length) - 1
    return [[turn * TURN + start + i * length, turn * TURN + start + (i + 1) * length] for turn in first for i in range(each)]


def test_the_ratio_is_of_rates_seen_at_the_same_time() -> None:
    alone, beside = turns([12, 14], 0.1), turns([11, 13], 0.125)
    result = compare_turns({"batch": 10, "steps": sorted(alone + beside)}, {"batch": 10, "steps": turns([11, 13], 0.125)}, TURN)
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


def test_processes_count_while_all_of_them_train() -> None:
    early, late = [[float(i), i + 1.0] for i in range(10)], [[5.5 + i, 6.5 + i] for i in range(10)]
    both = [{"batch": 10, "steps": early}, {"batch": 30, "steps": late}]
    assert common_rate(both) == pytest.approx(40)
    with pytest.raises(UsageError, match="not train at the same time"):
        common_rate([{"batch": 1, "steps": early[:2]}, {"batch": 1, "steps": late}])


def test_what_processes_train_together_is_counted() -> None:
    # one process: on a busy machine two would have to train for long until they do so at the same time
    assert together(parse_recipe(RECIPE), 1, seconds=0.5) > 0
