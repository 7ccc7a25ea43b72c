"""L01 and L05: ``tenfold train --strict`` and ``tenfold run --strict`` train on nothing that the checks warn of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _digits import digits
from tenfold.values.dataset import Dataset

RECIPE = """
name = "small"
[model]
layers = "FLAT SOFTMAX"
[train]
epochs = 1
[data]
train = {train}
test = {test}
"""


def recipe(folder: Path, train: Dataset, test: Dataset) -> Path:
    places = {}
    for name, data in (("train", train), ("test", test)):
        labels = {"labels": data.labels} if name == "train" and data.labels is not None else {}
        np.savez(folder / f"{name}.npz", images=data.images, **labels)
        places[name] = json.dumps(str(folder / f"{name}.npz"))
    (folder / "small.toml").write_text(RECIPE.format(**places))
    return folder / "small.toml"


def with_conflict(data: Dataset) -> Dataset:
    """The first image again as the fourth, which has another label."""
    images = data.images.copy()
    images[3] = images[0]
    assert data.labels is not None and data.labels[0] != data.labels[3]
    return replace(data, images=images)


CASES = {
    "L01": (lambda: (digits().take(range(500)), digits().take(range(400, 900))), "leakage: 100 of 500 test rows"),
    "L05": (
        lambda: (with_conflict(digits().take(range(500))), digits().take(range(500, 900))),
        "label-conflicts: 2 of 500",
    ),
}


@pytest.mark.parametrize(
    ("case", "command"), [("L01", "run"), ("L05", "run"), ("L05", "train")]
)  # train has no test set
def test_strict_leaves_with_3_and_trains_nothing(
    case: str, command: str, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    make, words = CASES[case]
    path = recipe(tmp_path, *make())
    done = cli(command, path, "--strict", "--executor", "local")
    assert done.code == 3, done.stderr
    assert f"error: {tmp_path / 'train.npz'}: found {words}" in done.stderr
    assert "expected nothing that the checks warn of, as --strict asks" in done.stderr
    assert "Traceback" not in done.stderr
    assert [name for name in done.changed if not name.startswith("home")] == []


def test_l01_without_strict_it_is_a_warning_and_with_clean_data_strict_is_silent(
    tmp_path: Path, cli: Callable[..., Any]
) -> None:
    leaking, clean = tmp_path / "leaking", tmp_path / "clean"
    for folder in (leaking, clean):
        folder.mkdir()
    done = cli("run", recipe(leaking, *CASES["L01"][0]()), "--executor", "local")
    assert done.code == 0, done.stderr
    assert "100 of 500 test rows" in done.stdout + done.stderr
    path = recipe(clean, digits().take(range(500)), digits().take(range(500, 900)))
    done = cli("run", path, "--strict", "--executor", "local")
    assert done.code == 0, done.stderr


def test_a_resumed_run_was_checked_when_it_began(tmp_path: Path, forked: Callable[..., Any]) -> None:
    done = forked("train", "--resume", tmp_path, "--strict")
    assert done.code == 2
    assert "leave out --train, --test, --set, --strict and --minutes" in done.stderr
