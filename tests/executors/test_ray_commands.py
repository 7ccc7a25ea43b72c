"""cv, tune, study and predict on Ray give what they give here, and say meanwhile how far every worker is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tenfold
from _bundles import digits_run
from _command_line import tenfold as command
from _ray import TESTS
from _small_training import recipe, table, weights
from tenfold.api.study import study
from tenfold.bundle import batch
from tenfold.pipeline import Listener
from tenfold.values.run import Run, list_runs

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


class Ears(Listener):
    def __init__(self) -> None:
        self.epochs: set[tuple[int, int]] = set()

    def event(self, member: int, event: dict[str, Any]) -> None:
        if "history" in event:
            self.epochs.add((member, event["history"]["epoch"]))


def test_r02_folds_are_the_same_and_all_of_them_are_heard(ray_cluster: None, tmp_path: Path) -> None:
    made, data, heard = recipe(tmp_path, members=1), table(tmp_path), Ears()
    runs = {
        executor: tenfold.cross_validate(
            made, folds=2, train=data, out=tmp_path / executor, executor=executor, workers=2, progress=heard
        )
        for executor in ("local", "ray")
    }
    folds = {executor: [weights(fold) for fold in run.folds()] for executor, run in runs.items()}
    assert folds["ray"] == folds["local"]
    assert heard.epochs == {(member, epoch) for member in (0, 1) for epoch in (1, 2)}


def test_a_study_and_a_search_leave_the_same_numbers(ray_cluster: None, tmp_path: Path) -> None:
    made, data = recipe(tmp_path, members=1), table(tmp_path)
    found = {}
    for executor in ("local", "ray"):
        study(
            made,
            seeds=2,
            train=str(data),
            out=tmp_path / f"study-{executor}",
            executor=executor,
            workers=2,
            progress=False,
        )
        found[executor] = sorted(weights(run)[0] for run in list_runs(tmp_path / f"study-{executor}"))
    assert found["ray"] == found["local"]
    made.write_text(
        made.read_text() + '[tune]\ntrials = 3\nfolds = 2\n[tune.ranges]\n"train.learning_rate" = [0.003, 0.01]\n'
    )
    runs = {
        executor: tenfold.tune(
            made, train=data, out=tmp_path / f"tune-{executor}", executor=executor, workers=1, progress=False
        )
        for executor in ("local", "ray")
    }
    assert runs["ray"].summary["best"] == runs["local"].summary["best"]
    assert (runs["ray"].path / "trials.csv").read_text() == (runs["local"].path / "trials.csv").read_text()


def test_predictions_are_the_same_bytes(ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PIECE", 256)
    run: Run = digits_run(tmp_path / "runs")
    data = table(tmp_path, rows=1500)
    for executor in ("local", "ray"):
        outcome = batch.predict_to_csv(
            run.path,
            [str(data)],
            tmp_path / f"{executor}.csv",
            options=batch.ReadOptions(),
            executor=executor,
            workers=2,
        )
        assert outcome.rows == 1500
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


@pytest.mark.parametrize("name", ["train", "run", "cv", "tune", "study", "predict"])
def test_every_command_says_how_to_reach_a_cluster(name: str) -> None:
    done = command(name, "--help")
    assert "--address" in done.out
    assert "--executor" in done.out
