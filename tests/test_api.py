"""tenfold.run, train and resume, as a program calls them."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from tenfold.data.cache import home
from tenfold.errors import IntegrityError, Stopped, UsageError
from tenfold.pipeline import Listener

RECIPE = """
[data]
validation = 0.2
[model]
layers = "8C3 BN MP2 16C3 BN FLAT SOFTMAX"
[train]
epochs = 2
batch_size = 64
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE)


@pytest.fixture(scope="module")
def digits() -> tenfold.Dataset:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images * 255 / 16).astype(np.uint8)[:, None]
    return tenfold.Dataset(images, data.target.astype(np.int64), np.arange(1, len(images) + 1), tuple("0123456789"))


def test_from_datasets_in_memory_to_a_report(digits: tenfold.Dataset) -> None:
    run = tenfold.run(
        "small.toml",
        train=digits.take(range(1400)),
        test=digits.take(range(1400, 1797)),
        executor="local",
        progress=False,
    )
    assert run.path.parent == Path("runs")
    assert (run.path / "report.html").is_file()
    assert run.summary["test"]["n"] == 397
    assert run.summary["test"]["accuracy"] == run.predictions("test").accuracy
    assert run.recipe.data.train.startswith("memory:")


def test_progress_is_printed_unless_switched_off(digits: tenfold.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    tenfold.train("small.toml", train=digits, executor="local", progress=False)
    assert capsys.readouterr() == ("", "")
    tenfold.train("small.toml", train=digits, executor="local")
    assert "epoch 2/2" in capsys.readouterr().out


def test_a_recipe_object_takes_overrides(digits: tenfold.Dataset) -> None:
    recipe = tenfold.load_recipe("small.toml")
    run = tenfold.train(recipe, train=digits, overrides=["train.epochs=1"], executor="local", progress=False)
    assert [row["epoch"] for row in run.history(0)] == [1]
    with pytest.raises(UsageError, match=r"unknown key 'train\.epoch'.*did you mean 'epochs'"):
        tenfold.train(recipe, train=digits, overrides=["train.epoch=1"], progress=False)


class Interrupting(Listener):
    def event(self, member: int, event: dict[str, Any]) -> None:
        if "history" in event:
            os.kill(os.getpid(), signal.SIGINT)


def interrupted(digits: tenfold.Dataset) -> Path:
    with pytest.raises(Stopped):
        tenfold.train("small.toml", train=digits, executor="local", progress=Interrupting())
    return next(Path("runs").iterdir())


def test_a_run_on_memory_is_resumed_from_its_copy(digits: tenfold.Dataset) -> None:
    resumed = tenfold.resume(interrupted(digits), "train", executor="local", progress=False)
    assert resumed.is_complete
    whole = tenfold.train("small.toml", train=digits, executor="local", progress=False)
    weights = "members/00/weights.safetensors"
    assert (resumed.path / weights).read_bytes() == (whole.path / weights).read_bytes()


def test_without_its_copy_it_says_so(digits: tenfold.Dataset) -> None:
    path = interrupted(digits)
    shutil.rmtree(home() / "datasets")
    with pytest.raises(IntegrityError, match="came from memory, and its copy in the cache is gone"):
        tenfold.resume(path, "train", executor="local", progress=False)


def test_a_training_set_comes_without_the_recipes_test_set(digits: tenfold.Dataset) -> None:
    run = tenfold.run(
        "quick",
        train=digits,
        overrides=["model.layers='FLAT SOFTMAX'", "train.epochs=1"],
        executor="local",
        progress=False,
    )
    assert run.data["test"] is None
    assert run.summary["validation"] is not None
    assert (run.path / "report.html").is_file()
