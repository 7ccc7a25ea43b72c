"""A search: what it draws, what it stops, and that neither an interruption nor a kill changes it."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _command_line import tenfold as command
from tenfold.errors import ResourceError, Stopped, UsageError
from tenfold.evaluation.leaderboard import leaderboard
from tenfold.pipeline import Listener, Settings, cross_validation, search
from tenfold.pipeline.trials import JOURNAL
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, load_recipe, parse_recipe
from tenfold.values.run import Run

pytest.importorskip("optuna")

RECIPE = """
name = "small"
[data]
validation = 0.2
[model]
layers = "8C3 BN MP2 FLAT SOFTMAX"
[train]
epochs = 2
batch_size = 64
[tune]
trials = 5
folds = 3
startup = 2
[tune.ranges]
"train.learning_rate" = { low = 0.00001, high = 0.1, log = true }
"train.batch_size" = { low = 32, high = 96, step = 32 }
"ensemble.vote" = ["mean", "log-mean"]
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images[:300] * 255 / 16).astype(np.uint8)[:, None]
    return Dataset(images, data.target[:300].astype(np.int64), np.arange(1, 301), tuple("0123456789"))


@pytest.fixture(scope="module")
def source(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "digits.npz"
    np.savez(path, images=digits.images, labels=digits.labels)
    return path


@pytest.fixture(scope="module")
def recipe(source: Path) -> Recipe:
    return parse_recipe(RECIPE, [f"data.train={json.dumps(str(source))}"])


def here(folder: Path, **settings: Any) -> Settings:
    return Settings(**{"out": folder / "runs", "executor": "local", "workers": 1, **settings})


def table(run: Run) -> list[dict[str, str]]:
    """The trials without their numbers, which count interrupted ones too."""
    with open(run.path / "trials.csv", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "trial"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENFOLD_HOME", str(folder / "home"))
        return search.tune(recipe, here(folder))


def test_the_best_trial_is_a_recipe(whole: Run, recipe: Recipe) -> None:
    best = load_recipe(whole.path / "best.toml")
    values = whole.summary["best"]["values"]
    assert best.tune is None
    assert best.train.learning_rate == values["train.learning_rate"]
    assert best.ensemble.vote == values["ensemble.vote"]
    assert "it is too good" in best.claim
    ended = [float(row["value"]) for row in table(whole) if row["state"] == "complete"]
    assert whole.summary["best"]["value"] == max(ended)
    assert whole.is_complete
    assert whole.verify() == []


def test_values_are_drawn_from_their_ranges(whole: Run) -> None:
    rows = table(whole)
    assert len(rows) == 5
    assert all(1e-5 <= float(row["train.learning_rate"]) <= 0.1 for row in rows)
    assert {row["train.batch_size"] for row in rows} <= {"32", "64", "96"}
    assert {row["ensemble.vote"] for row in rows} <= {"mean", "log-mean"}
    assert len({row["train.learning_rate"] for row in rows}) == 5


def test_a_trial_is_judged_by_rows_out_of_its_fold(whole: Run, recipe: Recipe, tmp_path: Path) -> None:
    """The first fold of a cross-validation with the trial's values gives the same predictions."""
    best = load_recipe(whole.path / "best.toml", [f"data.train={json.dumps(recipe.data.train)}"])
    run = cross_validation.cross_validate(best, 3, here(tmp_path))
    (trial,) = [t for t in whole.trials() if t.summary["values"] == whole.summary["best"]["values"]]
    judged, all_rows = trial.predictions("oof"), run.predictions("oof")
    assert len(judged) == 100
    same = np.isin(all_rows.ids, judged.ids)
    assert np.array_equal(all_rows.probabilities[same], judged.probabilities)
    assert trial.summary["validation"]["accuracy"] == whole.summary["best"]["value"] == judged.accuracy


def test_what_is_kept_of_a_trial_is_small_and_listed(whole: Run) -> None:
    rows = leaderboard(whole.path / "trials", "validation")
    assert [row.state for row in rows] == ["complete"] * len(rows)
    assert rows[0].validation is not None
    assert rows[0].validation.accuracy == whole.summary["best"]["value"]
    assert not list(whole.path.rglob("weights.safetensors"))
    (row,) = leaderboard(whole.path.parent)
    assert row.detail == f"best of {len(rows)} trials"


class Interrupting(Listener):
    """Sends SIGINT at the given event."""

    def __init__(self, at: int) -> None:
        self.at = at

    def event(self, member: int, event: dict[str, Any]) -> None:
        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("at", [1, 3, 7])
def test_k08_an_interrupted_search_ends_with_the_same_trials(
    whole: Run, recipe: Recipe, tmp_path: Path, at: int
) -> None:
    with pytest.raises(Stopped, match=r"tenfold tune --resume .*small"):
        search.tune(recipe, here(tmp_path), Interrupting(at))
    (row,) = leaderboard(tmp_path / "runs")
    assert row.detail.endswith("of 5 trials made")
    run = search.resume(Run(next((tmp_path / "runs").iterdir())), here(tmp_path))
    assert table(run) == table(whole)
    assert (run.path / "best.toml").read_bytes() == (whole.path / "best.toml").read_bytes()


def test_k05_a_journal_that_a_kill_cut_short_is_mended(whole: Run, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        search.tune(recipe, here(tmp_path), Interrupting(5))
    run = Run(next((tmp_path / "runs").iterdir()))
    journal = run.path / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_id":"x')
    assert table(search.resume(run, here(tmp_path))) == table(whole)


def test_workers_share_the_trials(recipe: Recipe, tmp_path: Path) -> None:
    run = search.tune(recipe, here(tmp_path, executor="processes", workers=2))
    rows = table(run)
    assert len(rows) == 5
    assert len({tuple(row.items()) for row in rows}) == 5


def test_hopeless_trials_are_stopped_early(digits: Dataset, tmp_path: Path) -> None:
    overrides = [
        "train.epochs=4",
        "tune.trials=12",
        "tune.startup=4",
        "tune.ranges={'train.learning_rate'=[0.02, 0.00001]}",
    ]
    run = search.tune(parse_recipe(RECIPE, overrides), here(tmp_path), train=digits)
    pruned = [row for row in table(run) if row["state"] == "pruned"]
    assert all(row["train.learning_rate"] == "1e-05" and int(row["epochs_reported"]) < 4 for row in pruned)
    assert load_recipe(run.path / "best.toml").train.learning_rate == 0.02
    never = search.tune(parse_recipe(RECIPE, [*overrides, "tune.prune=false"]), here(tmp_path), train=digits)
    assert {row["state"] for row in table(never)} == {"complete"}
    assert len(never.trials()) == 2  # the same values are not trained again


def test_a_trial_that_cannot_be_trained_is_counted_and_said(digits: Dataset, tmp_path: Path) -> None:
    ranges = "{'data.validation'=[0.0, 0.2], 'train.keep'=['last', 'best']}"
    said: list[str] = []

    class Hears(Listener):
        def say(self, text: str) -> None:
            said.append(text)

    recipe = parse_recipe(RECIPE, [f"tune.ranges={ranges}", "tune.trials=8", "train.epochs=1"])
    run = search.tune(recipe, here(tmp_path), Hears(), train=digits)
    failed = [row for row in table(run) if row["state"] == "fail"]
    assert failed
    assert all(row["data.validation"] == "0.0" and row["train.keep"] == "best" for row in failed)
    assert any("failed: train.keep = 'best' need held-out rows" in line for line in said)
    assert len(table(run)) == 8


def test_log_loss_is_minimised(digits: Dataset, tmp_path: Path) -> None:
    run = search.tune(parse_recipe(RECIPE, ["tune.metric='log-loss'", "tune.trials=3"]), here(tmp_path), train=digits)
    values = [float(row["value"]) for row in table(run) if row["state"] == "complete"]
    assert run.summary["best"]["value"] == min(values)


def test_a_complete_search_can_be_made_longer(whole: Run, recipe: Recipe, tmp_path: Path) -> None:
    run = search.tune(recipe.overridden(["tune.trials=3"]), here(tmp_path))
    before = (run.path / "trials.csv").stat().st_mtime_ns
    search.resume(run, here(tmp_path))
    assert (run.path / "trials.csv").stat().st_mtime_ns == before
    longer = search.resume(run, here(tmp_path), trials=5)
    assert table(longer) == table(whole)
    assert longer.verify() == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "tune.ranges={'train.lerning_rate'=[1, 2]}",
            r"unknown key 'train\.lerning_rate'; did you mean 'learning_rate'",
        ),
        (
            "tune.ranges={'train.epochs'={low=0, high=3}}",
            r"train\.epochs = 0: input should be greater than or equal to 1",
        ),
        ("tune.ranges={'model.layers'=['FLAT SOFTMAX', '8C3 SOFTMAX']}", "needs a flat input"),
        ("tune.folds=400", "expected 2 to 300"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_anything_is_written(
    digits: Dataset, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        search.tune(parse_recipe(RECIPE, [override]), here(tmp_path), train=digits)
    assert not (tmp_path / "runs").exists()


def test_a_recipe_without_ranges_is_shown_how(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not say what to tune(.|\n)*\[tune.ranges\]"):
        search.tune(parse_recipe(RECIPE).model_copy(update={"tune": None}), here(tmp_path))


def test_without_optuna_it_says_what_to_install(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install .*\[tune\]'"):
        search.tune(recipe, here(tmp_path))


def test_the_command_says_what_was_found(source: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    where = ["--train", str(source), "--out", str(tmp_path / "runs"), "--executor", "local"]
    done = command("-q", "tune", tmp_path / "small.toml", "--trials", "2", *where)
    assert done.code == 0, done.err
    assert "best.toml" in done.out
    assert "chosen by: too good" in done.out
    run = next((tmp_path / "runs").iterdir())
    assert command("tune", "--resume", run).code == 0
    assert "tenfold tune --resume" in command("cv", "--resume", run).err
    assert "found no recipe" in command("tune").err
