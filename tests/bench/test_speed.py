"""What `tenfold bench` measures and says: shapes and relations, never how fast this machine is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from _command_line import tenfold
from tenfold.executors import Context
from tenfold.speed.measure import measure

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
    for text in (
        "train, batches of 16",
        "ONNX Runtime",
        "microseconds",
        "matrix product",
        "convolution, backward",
        "optimiser",
    ):
        assert text in done.out


def test_a_network_that_does_not_fit_is_a_usage_error(recipe: Path) -> None:
    done = tenfold("bench", recipe, "--set", "model.layers=8C9V SOFTMAX", "--shape", "8x8")
    assert done.code == 2
    assert "the image is only 8x8 here" in done.err


def test_measuring_in_this_process_says_the_same() -> None:
    check(measure(QUIET, RECIPE, [1, 28, 28], None, 0.5))
