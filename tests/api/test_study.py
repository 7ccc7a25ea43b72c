"""Recipes times seeds: planned, trained, interrupted, gone on with, and summed up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.api.study import study
from tenfold.errors import UsageError
from tenfold.pipeline.study import planned
from tenfold.values.recipe import recipe_names
from tenfold.values.run import list_runs

RECIPE = """
[model]
layers = "{layers}"
[train]
epochs = {epochs}
batch_size = 64
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Two recipes, of which one cannot learn much."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "dense.toml").write_text(RECIPE.format(layers="FLAT 64 SOFTMAX", epochs=40))
    (folder / "pooled.toml").write_text(RECIPE.format(layers="GAP SOFTMAX", epochs=40))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    images, labels = load_digits(return_X_y=True)
    pixels = (images * 15.9375).astype(np.uint8).reshape(-1, 8, 8)
    for name, rows in (("train", slice(0, 1200)), ("test", slice(1200, None))):
        np.savez(tmp_path / f"{name}.npz", images=pixels[rows], labels=labels[rows])
    return {"train": str(tmp_path / "train.npz"), "test": str(tmp_path / "test.npz")}


def test_a_plan_is_every_recipe_with_every_seed_and_fewer_epochs(recipes: Path) -> None:
    plan = planned([recipes], 2, 0.1, ["train.batch_size=32"], "a.csv", "b.csv")
    assert [(recipe.name, recipe.seed) for recipe in plan] == [("dense", 1), ("pooled", 1), ("dense", 2), ("pooled", 2)]
    assert {(r.train.epochs, r.train.batch_size, r.data.train, r.data.test) for r in plan} == {
        (4, 32, "a.csv", "b.csv")
    }
    assert planned([recipes / "dense.toml"], 1, 0.001, [], None, None)[0].train.epochs == 1


def test_folders_of_recipes_that_come_along_have_names() -> None:
    names = [recipe.name for recipe in planned(["notebook"], 1, 1.0, [], None, None)]
    assert set(names) == {name.split("/")[1] for name in recipe_names() if name.startswith("notebook/")}
    assert {f"{entry:02d}" for entry in range(8, 53)} <= {name[:2] for name in names}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seeds": 0}, "found 0 seeds"),
        ({"epochs_scale": 0.0}, "found an epochs scale of 0"),
        ({"recipes": []}, "nothing to train"),
        ({"recipes": ["nowhere"]}, "no recipe 'nowhere'"),
        ({"recipes": ["quick", "quick"]}, "two recipes are called 'quick'"),
        ({"test": "b.csv"}, "needs a training set of your own"),
    ],
)
def test_what_cannot_be_meant(changed: dict[str, object], message: str) -> None:
    plan = {"recipes": ["quick"], "seeds": 1, "epochs_scale": 1.0, "overrides": [], "train": None, "test": None}
    with pytest.raises(UsageError, match=message):
        planned(**(plan | changed))  # type: ignore[arg-type]


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no recipes"):
        planned([tmp_path], 1, 1.0, [], None, None)


def test_a_study_says_what_is_noise_and_keeps_what_is_there(
    recipes: Path, data: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    how = {"seeds": 2, "epochs_scale": 0.2, "out": out, "executor": "local", **data}
    done = study(recipes, **how)  # type: ignore[arg-type]
    assert [(group.name, len(group.runs)) for group in done.groups] == [("dense", 2), ("pooled", 2)]
    assert done.groups[0].against_best == "best"
    assert done.groups[1].against_best.startswith("worse, p ")
    assert "4 trainings; 1 at a time" in capsys.readouterr().out
    table = (out / "leaderboard.md").read_text()
    assert "| dense | 2 | " in table
    assert table.count("%, ") == 8  # an interval for validation and for test of each run
    assert json.loads((out / "leaderboard.json").read_text())[0]["name"] == "dense"
    assert (out / "runs.html").is_file()
    assert not list(out.glob("*/report.html"))
    before = [run.path.name for run in list_runs(out)]
    study(recipes, **how)  # type: ignore[arg-type]
    assert [run.path.name for run in list_runs(out)] == before
    assert "4 trainings, 4 of them are there already" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_stops_at_a_safe_point_and_the_same_command_goes_on(
    recipes: Path, data: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "study"
    (recipes / "pooled.toml").unlink()
    command = [sys.executable, "-m", "tenfold", "study", recipes, "--seeds", "2", "--out", out, "--workers", "2"]
    command += ["--train", data["train"], "--test", data["test"], "--set", "train.epochs=300"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("*/checkpoints/00/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "The same command goes on" in errors
    begun = {run.path.name for run in list_runs(out)}
    assert not all(run.is_complete for run in list_runs(out))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    assert {run.path.name for run in list_runs(out)} >= begun
    assert all(run.is_complete for run in list_runs(out))
