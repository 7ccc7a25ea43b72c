"""Cross-validation through every stage: each row is read once, by members that never saw it, killed and resumed or
not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

from _command_line import tenfold as command
from _digits import digits as all_digits
from tenfold import pipeline
from tenfold.data.cache import open_stored
from tenfold.errors import Stopped, UsageError
from tenfold.evaluation.leaderboard import leaderboard
from tenfold.pipeline import Listener, Settings, cross_validation
from tenfold.pipeline.folds import fold_of, make_folds, recipe_of
from tenfold.report.sections.record import report
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe, parse_recipe
from tenfold.values.run import Run

RECIPE = """
name = "small"
seed = 3
[data]
validation = 0.2
[model]
layers = "8C3 BN MP2 16C3 BN FLAT SOFTMAX"
[train]
epochs = 2
batch_size = 64
learning_rate = 0.02
[ensemble]
members = 2
"""
MEMORY = ["model.layers='FLAT 512 BN SOFTMAX'", "ensemble.members=1", "train.epochs=30", "train.weight_decay=0"]
"""Overrides for a network that learns small sets by heart."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images[:600] * 255 / 16).astype(np.uint8)[:, None]
    return Dataset(images, data.target[:600].astype(np.int64), np.arange(1, 601), tuple("0123456789"))


def noise(count: int, copies: int = 0) -> Dataset:
    """Images that are nothing but an identity, labels that nothing foretells; the first ``copies`` come twice."""
    draw = np.random.default_rng(7)
    images = draw.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    labels = draw.permutation(np.arange(count, dtype=np.int64) % 10)
    images, labels = np.concatenate([images, images[:copies]]), np.concatenate([labels, labels[:copies]])
    return Dataset(images, labels, np.arange(len(images)), tuple("0123456789"))


def here(tmp_path: Path, **settings: Any) -> Settings:
    return Settings(out=tmp_path / "runs", executor="local", **settings)


def reproducible(run: Run) -> dict[str, bytes]:
    timed = {"timing.json", "summary.json", "environment.json", "report.html"}
    return {name: (run.path / name).read_bytes() for name in run.files() if Path(name).name not in timed}


@pytest.fixture(scope="module")
def source(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "digits.npz"
    np.savez(path, images=digits.images, labels=digits.labels)
    return path


@pytest.fixture(scope="module")
def recipe(source: Path) -> Recipe:
    return parse_recipe(RECIPE, [f"data.train={json.dumps(str(source))}"])


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENFOLD_HOME", str(folder / "home"))
        return cross_validation.cross_validate(recipe, 3, here(folder))


def test_every_row_is_predicted_once_in_the_order_of_the_set(whole: Run, digits: Dataset) -> None:
    oof = whole.predictions("oof")
    assert oof.ids.tolist() == digits.ids.tolist()
    assert np.array_equal(oof.labels, digits.labels)
    assert oof.accuracy > 0.85
    assert whole.is_complete
    assert whole.verify() == []
    assert not list(whole.path.rglob("checkpoints"))


def test_the_summary_has_the_figures_that_scikit_learn_gives(whole: Run, digits: Dataset) -> None:
    oof, summary = whole.predictions("oof"), whole.summary
    accuracies = [
        accuracy_score(digits.labels[rows], oof.predicted[rows]) for rows in (fold_of(f).out for f in whole.folds())
    ]
    assert [fold["accuracy"] for fold in summary["folds"]] == pytest.approx(accuracies)
    assert summary["mean"] == pytest.approx(np.mean(accuracies))
    assert summary["deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    assert summary["validation"]["accuracy"] == pytest.approx(accuracy_score(oof.labels, oof.predicted))
    assert summary["validation"]["low"] < summary["validation"]["accuracy"] < summary["validation"]["high"]
    assert summary["members"] == 6
    (row,) = leaderboard(whole.path.parent)
    assert (row.state, row.detail, row.validation.n) == ("complete", "3 folds", 600)


def test_the_reports_say_what_scikit_learn_says(whole: Run) -> None:
    oof = whole.predictions("oof")
    ours = report("x", oof, tuple("0123456789"))
    theirs = classification_report(oof.labels, oof.predicted, output_dict=True)
    for row in ours.classes:
        expected = theirs[row.name]
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            [expected[k] for k in ("precision", "recall", "f1-score")]
        )
        assert row.support == expected["support"]
    for mean, name in zip(ours.averages, ("macro avg", "weighted avg"), strict=True):
        expected = theirs[name]
        assert (mean.precision, mean.recall, mean.f1) == pytest.approx(
            [expected[k] for k in ("precision", "recall", "f1-score")]
        )
    assert [[cell.count for cell in row] for row in ours.confusion.rows] == confusion_matrix(
        oof.labels, oof.predicted
    ).tolist()


def test_the_page_has_the_folds_and_both_reports(whole: Run) -> None:
    page = (whole.path / "report.html").read_text("utf-8")
    assert "out-of-fold accuracy" in page
    assert "Rows that were learnt from" in page
    assert "Rows that were not" in page
    folds = page.split('<section id="folds"')[1].split("</section>")[0]
    assert folds.count('<table class="matrix') == 2


def test_l10_a_network_that_learns_by_heart_knows_nothing_of_rows_out_of_its_fold(tmp_path: Path) -> None:
    """L08 too: the labels are random, so that anything above chance would be a leak."""
    data = noise(400)
    run = cross_validation.cross_validate(parse_recipe(RECIPE, MEMORY), 4, here(tmp_path), train=data)
    assert run.predictions("train").accuracy > 0.95  # it does remember
    right = int(run.predictions("oof").correct.sum())
    assert abs(right - 40) < 4 * 6  # chance is 40 of 400, its standard deviation 6


def test_l08_with_shuffled_labels_nothing_beats_guessing(tmp_path: Path) -> None:
    """3,594 rows out of their folds: the standard deviation of guessing is half a point, and 2 points are allowed."""
    right = rows = 0
    for seed in range(2):
        data = all_digits()
        assert data.labels is not None
        shuffled = replace(data, labels=np.random.default_rng(seed).permutation(data.labels))
        run = cross_validation.cross_validate(
            parse_recipe(RECIPE, [*MEMORY, "train.epochs=10"]), 3, here(tmp_path), train=shuffled
        )
        found = run.predictions("oof")
        right, rows = right + int(found.correct.sum()), rows + len(found)
    assert rows == 2 * 1797
    assert abs(right / rows - 0.1) <= 0.02


def test_l10_early_stopping_does_not_look_at_the_rows_out_of_the_fold(digits: Dataset, tmp_path: Path) -> None:
    for fold in make_folds(parse_recipe(RECIPE), digits, 3):
        sets = [set(rows.tolist()) for rows in (fold.train, fold.held, fold.out)]
        assert set.union(*sets) == set(range(600))
        assert sum(map(len, sets)) == 600
        assert set(fold.seen.tolist()) <= sets[0]


def test_what_a_fold_predicts_is_stored_without_labels(digits: Dataset, tmp_path: Path) -> None:
    seen = []

    class Spy(Listener):
        def event(self, member: int, event: dict[str, Any]) -> None:
            seen.extend(open_stored(path).labels for path in (tmp_path / "runs").glob("*/checkpoints/images/*"))

    recipe = parse_recipe(RECIPE, ["train.epochs=1", "ensemble.members=1"])
    cross_validation.cross_validate(recipe, 2, here(tmp_path), Spy(), train=digits)
    assert seen
    assert all(labels is None for labels in seen)


def test_runs_may_be_kept_in_a_folder_named_from_here(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = parse_recipe(RECIPE, ["train.epochs=1", "ensemble.members=1"])
    run = cross_validation.cross_validate(recipe, 2, here(Path()), train=digits.take(range(200)))
    assert run.is_complete
    assert not run.path.is_absolute()


def test_l04_copies_of_an_image_share_a_fold() -> None:
    data = noise(300, copies=120)
    folds = make_folds(parse_recipe(RECIPE), data, 5)
    place = np.empty(len(data), np.int64)
    for number, fold in enumerate(folds):
        place[fold.out] = number
        held, learnt = ({data.images[row].tobytes() for row in rows} for rows in (fold.held, fold.train))
        assert not held & learnt
    assert (place[300:] == place[:120]).all()


def test_folds_are_stratified_and_follow_the_seed(digits: Dataset) -> None:
    one, same = (make_folds(parse_recipe(RECIPE), digits, 5) for _ in range(2))
    other = make_folds(parse_recipe(RECIPE, ["seed=4"]), digits, 5)
    assert all(
        np.array_equal(a.out, b.out) and np.array_equal(a.train, b.train) for a, b in zip(one, same, strict=True)
    )
    assert not all(np.array_equal(a.out, b.out) for a, b in zip(one, other, strict=True))
    counts = np.array([np.bincount(digits.labels[fold.out], minlength=10) for fold in one])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert len({recipe_of(parse_recipe(RECIPE), number).seed for number in range(5)}) == 5


def test_a_limit_holds_for_all_folds_together(digits: Dataset) -> None:
    folds = make_folds(parse_recipe(RECIPE, ["data.limit=100"]), digits, 5)
    assert sum(len(fold.out) for fold in folds) == 100
    assert max(len(fold.train) for fold in folds) < 80


class Interrupting(Listener):
    """Sends SIGINT at the given event."""

    def __init__(self, at: int) -> None:
        self.at = at

    def event(self, member: int, event: dict[str, Any]) -> None:
        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("at", [1, 4, 7])
def test_k08_an_interrupted_one_ends_with_the_same_files(whole: Run, recipe: Recipe, tmp_path: Path, at: int) -> None:
    with pytest.raises(Stopped, match=r"tenfold cv --resume .*small"):
        cross_validation.cross_validate(recipe, 3, here(tmp_path), Interrupting(at))
    (row,) = leaderboard(tmp_path / "runs")
    assert row.detail.endswith("of 6 members trained")
    run = Run(next((tmp_path / "runs").iterdir()))
    with pytest.raises(UsageError, match="tenfold cv --resume"):
        pipeline.resume(run, "run", here(tmp_path))
    resumed = cross_validation.resume(run, here(tmp_path))
    assert reproducible(resumed) == reproducible(whole)
    assert resumed.verify() == []


def test_k14_resuming_a_complete_one_changes_nothing(whole: Run, tmp_path: Path) -> None:
    before = {name: (whole.path / name).stat().st_mtime_ns for name in whole.files()}
    cross_validation.resume(whole, here(tmp_path))
    assert {name: (whole.path / name).stat().st_mtime_ns for name in whole.files()} == before


@pytest.mark.slow
def test_k05_kill_9_at_random_times_then_resume_gives_the_same_bits(whole: Run, source: Path, tmp_path: Path) -> None:
    """From the command line, as after a power cut."""
    (tmp_path / "small.toml").write_text(RECIPE)
    runs = tmp_path / "runs"
    start = [
        "cv",
        str(tmp_path / "small.toml"),
        "--folds",
        "3",
        "--train",
        str(source),
        "--out",
        str(runs),
        "--executor",
        "local",
    ]
    draw, kills = np.random.default_rng(1), 0
    arguments = start
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-m", "tenfold", *arguments], stdout=subprocess.DEVNULL)
        began = time.monotonic()
        while not list(runs.glob("*/folds/00/split.npz")) and child.poll() is None:
            time.sleep(0.05)
        deadline = max(time.monotonic(), began) + draw.uniform(0.5, 6)
        while time.monotonic() < deadline and child.poll() is None and kills < 2:
            time.sleep(0.05)
        if child.poll() is None and kills < 2:
            child.kill()
            kills += 1
        if child.wait() == 0:
            break
        arguments = ["cv", "--resume", str(next(runs.iterdir())), "--executor", "local"]
    run = Run(next(runs.iterdir()))
    assert run.is_complete
    assert np.array_equal(run.predictions("oof").probabilities, whole.predictions("oof").probabilities)
    weights = sorted(path.relative_to(run.path) for path in run.path.rglob("weights.safetensors"))
    assert len(weights) == 6
    assert all((run.path / path).read_bytes() == (whole.path / path).read_bytes() for path in weights)


@pytest.mark.parametrize(("folds", "message"), [(1, "expected 2 to"), (601, "expected 2 to 600")])
def test_impossible_folds_are_refused_before_anything_is_written(
    digits: Dataset, tmp_path: Path, folds: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        cross_validation.cross_validate(parse_recipe(RECIPE), folds, here(tmp_path), train=digits)
    assert not (tmp_path / "runs").exists()


def test_a_class_that_some_folds_lack_is_said(tmp_path: Path) -> None:
    data = noise(60)
    labels = data.labels.copy()
    labels[:] = np.arange(60) % 9
    labels[0] = 9
    rare = Dataset(data.images, labels, data.ids, data.class_names)
    said: list[str] = []

    class Hears(Listener):
        def say(self, text: str) -> None:
            said.append(text)

    recipe = parse_recipe(RECIPE, ["train.epochs=1", "ensemble.members=1", "data.validation=0"])
    run = cross_validation.cross_validate(recipe, 2, here(tmp_path), Hears(), train=rare)
    assert "note: 1 of 2 folds have no image of class 9" in said
    assert len(run.predictions("oof")) == 60


def test_the_command_says_where_everything_is(source: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    small = ["--set", "train.epochs=1", "--set", "ensemble.members=1", "--executor", "local"]
    where = ["--train", str(source), "--out", str(tmp_path / "runs")]
    done = command("-q", "cv", tmp_path / "small.toml", "--folds", "2", *where, *small)
    assert done.code == 0, done.err
    assert "over 2 folds" in done.out
    assert "predictions/oof.npz" in done.out
    run = Run(next((tmp_path / "runs").iterdir()))
    assert json.loads((run.path / "data.json").read_text())["folds"] == 2
    again = command("cv", "--resume", run.path, "--folds", "3")
    assert again.code == 2
    assert "leave out --folds" in again.err
    other = command("run", "--resume", run.path)
    assert other.code == 2
    assert "tenfold cv --resume" in other.err


def test_the_recipe_of_a_fold_is_a_recipe() -> None:
    recipe = parse_recipe(RECIPE)
    again = parse_recipe(recipe_of(recipe, 2).to_toml())
    assert isinstance(again, Recipe)
    assert again.seed == recipe_of(recipe, 2).seed


def test_oof_predictions_are_predictions(whole: Run) -> None:
    assert isinstance(whole.predictions("oof"), Predictions)
    assert whole.has_predictions("train")
