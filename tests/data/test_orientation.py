"""Digits that lie on their side, are mirrored or inverted are told so before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import tenfold
from _command_line import tenfold as command
from _handwriting import digits, is_mnist
from tenfold.pipeline.datasets import TURNED, orientation
from tenfold.values.dataset import Dataset

Images = NDArray[np.uint8]


def some(change: Callable[[Images], Images] = lambda images: images, count: int = 200) -> Dataset:
    images, labels = digits()
    changed = np.ascontiguousarray(change(images[:count, None]))
    return Dataset(changed, labels[:count].astype(np.int64), np.arange(count), tuple("0123456789"))


def test_upright_digits_are_fine() -> None:
    found = orientation(some())
    assert found is not None and (found.mark, found.total) == ("ok", 200)


@pytest.mark.parametrize("how", TURNED)
def test_others_are_told_how_they_are(how: str) -> None:
    found = orientation(some(TURNED[how]))
    assert found is not None and found.severity == "warning"
    assert f"these digits are {how}" in found.message
    assert "as they are and" in found.message


def test_what_is_read_in_no_way_is_left_alone() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 1, 28, 28), dtype=np.uint8)
    for images in (noise, np.zeros_like(noise)):
        assert orientation(Dataset(images, np.arange(200) % 10, np.arange(200), tuple("0123456789"))) is None
    letters = Dataset(some().images, some().truth, np.arange(200), tuple("abcdefghij"))
    assert orientation(letters) is None
    assert orientation(some().without_labels()) is None
    assert orientation(some(count=20)) is None


@pytest.mark.skipif(not is_mnist(), reason="needs MNIST")
def test_data_check_and_a_run_say_it(tmp_path: Path) -> None:
    data = some(TURNED["mirrored"])
    np.savez(tmp_path / "a.npz", images=data.images, labels=data.labels)
    done = command("data", "check", tmp_path / "a.npz", "--quick")
    assert "warning  orientation: these digits are mirrored" in done.out
    overrides = ["model.kind=linear", "data.validation=0.2"]
    run = tenfold.train("linear", train=tmp_path / "a.npz", out=tmp_path, overrides=overrides, progress=False)
    names = {finding["name"]: finding["severity"] for finding in run.data["findings"]}
    assert names["orientation"] == "warning"
