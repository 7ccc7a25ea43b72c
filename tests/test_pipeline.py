"""The whole way, on scikit-learn's digits: every file is there, says the same, and survives an interruption."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _command_line import tenfold as command_line
from tenfold import pipeline, runtime
from tenfold.bundle.predict import Bundle
from tenfold.data import ReadOptions
from tenfold.errors import IntegrityError, ResourceError, Stopped, UsageError
from tenfold.exploration import maps
from tenfold.exploration.maps import tsne
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, parse_recipe
from tenfold.values.run import Run

RECIPE = """
name = "small"
seed = 3
[data]
validation = 0.2
[model]
layers = "8C3 BN MP2 16C3 BN FLAT SOFTMAX"
[[augment]]
kind = "affine"
shift = 0.5
[train]
epochs = 3
batch_size = 64
learning_rate = 0.02
[ensemble]
members = 2
"""
FITTED = """
name = "fitted"
[data]
validation = 0.2
[model]
kind = "svm"
components = 30
gamma = 0.5
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images * 255 / 16).astype(np.uint8)[:, None]
    return Dataset(images, data.target.astype(np.int64), np.arange(1, len(images) + 1), tuple("0123456789"))


@pytest.fixture
def sources(digits: Dataset, tmp_path: Path) -> tuple[str, str]:
    """(1,400 labelled rows, 397 rows without labels), as files."""
    for name, rows in (("train", slice(0, 1400)), ("test", slice(1400, None))):
        labels = {"labels": digits.labels[rows]} if name == "train" and digits.labels is not None else {}
        np.savez(tmp_path / f"{name}.npz", images=digits.images[rows], **labels)
    return str(tmp_path / "train.npz"), str(tmp_path / "test.npz")


@pytest.fixture
def recipe(sources: tuple[str, str]) -> Recipe:
    return parse_recipe(RECIPE, [f"data.train={json.dumps(sources[0])}", f"data.test={json.dumps(sources[1])}"])


def here(tmp_path: Path, **settings: Any) -> pipeline.Settings:
    return pipeline.Settings(out=tmp_path / "runs", executor="local", **settings)


def reproducible_files(run: Run) -> dict[str, bytes]:
    """What must not depend on when or how often the run was interrupted: everything but times and versions."""
    timed = {"timing.json", "summary.json", "environment.json", "report.html"}
    return {name: (run.path / name).read_bytes() for name in run.files() if Path(name).name not in timed}


class Interrupting(pipeline.Listener):
    """Sends SIGINT at the given event."""

    def __init__(self, at: int) -> None:
        self.at = at

    def event(self, member: int, event: dict[str, Any]) -> None:
        import os
        import signal

        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_leaves_everything_it_promises(recipe: Recipe, digits: Dataset, tmp_path: Path) -> None:
    run = pipeline.start(recipe, "run", here(tmp_path))
    assert run.is_complete
    assert run.verify() == []
    assert {
        "recipe.toml",
        "environment.json",
        "data.json",
        "split.npz",
        "summary.json",
        "report.html",
        "submission.csv",
    } <= set(run.files())
    assert run.summary["validation"]["accuracy"] > 0.9
    assert run.summary["test"] is None
    assert digits.labels is not None
    answers = np.loadtxt(run.path / "submission.csv", delimiter=",", skiprows=1, dtype=np.int64)
    assert answers[:, 0].tolist() == list(range(1, 398))
    assert (answers[:, 1] == digits.labels[1400:]).mean() > 0.85
    served = Bundle.open(run.path).predict_proba(digits.images[1400:])
    assert np.abs(served - run.predictions("test").probabilities).max() <= 1e-5
    assert not (run.path / "checkpoints").exists()
    assert run.history(0)[-1]["epoch"] == 3


def test_train_ends_with_the_bundle(recipe: Recipe, tmp_path: Path) -> None:
    run = pipeline.start(recipe, "train", here(tmp_path))
    assert {"bundle/model.onnx", "summary.json"} <= set(run.files())
    assert not {"report.html", "submission.csv"} & set(run.files())


@pytest.mark.parametrize("at", [1, 2, 4])
def test_k08_an_interrupted_run_ends_with_the_same_files(recipe: Recipe, tmp_path: Path, at: int) -> None:
    whole = pipeline.start(recipe, "run", here(tmp_path))
    with pytest.raises(Stopped, match=r"tenfold run --resume .*small") as caught:
        pipeline.start(recipe, "run", here(tmp_path), Interrupting(at))
    assert caught.value.exit_code == 130
    interrupted = next(r for p in sorted((tmp_path / "runs").iterdir()) if not (r := Run(p)).is_complete)
    resumed = pipeline.resume(interrupted, "run", here(tmp_path))
    assert reproducible_files(resumed) == reproducible_files(whole)
    assert resumed.verify() == []


def test_r02_processes_give_the_same_members(recipe: Recipe, tmp_path: Path) -> None:
    one = pipeline.start(recipe, "run", here(tmp_path))
    two = pipeline.start(recipe, "run", pipeline.Settings(out=tmp_path / "runs", executor="processes", workers=2))
    assert reproducible_files(two) == reproducible_files(one)


def test_k14_resuming_a_complete_run_changes_nothing(recipe: Recipe, tmp_path: Path) -> None:
    run = pipeline.start(recipe, "run", here(tmp_path))
    before = {name: (run.path / name).stat().st_mtime_ns for name in run.files()}
    pipeline.resume(run, "run", here(tmp_path))
    assert {name: (run.path / name).stat().st_mtime_ns for name in run.files()} == before


def unfinished(recipe: Recipe, tmp_path: Path) -> Run:
    with pytest.raises(Stopped):
        pipeline.start(recipe, "run", here(tmp_path), Interrupting(2))
    return Run(next((tmp_path / "runs").iterdir()))


def test_k13_resume_refuses_other_data(recipe: Recipe, sources: tuple[str, str], tmp_path: Path) -> None:
    run = unfinished(recipe, tmp_path)
    shutil.copy(sources[0], sources[1])
    with pytest.raises(IntegrityError, match="has changed since"):
        pipeline.resume(run, "run", here(tmp_path))


def test_k15_with_its_newest_checkpoint_damaged_a_run_ends_with_the_same_bits(
    sources: tuple[str, str], tmp_path: Path
) -> None:
    overrides = [
        f"data.train={json.dumps(sources[0])}",
        f"data.test={json.dumps(sources[1])}",
        "train.checkpoint_minutes=1e-9",
    ]
    recipe = parse_recipe(RECIPE, overrides)
    whole = pipeline.start(recipe, "run", here(tmp_path / "whole"))
    run = unfinished(recipe, tmp_path)
    checkpoints = sorted(run.path.glob("checkpoints/*/*.safetensors"))
    assert len(checkpoints) >= 2  # so many are kept
    newest = bytearray(checkpoints[-1].read_bytes())
    newest[len(newest) // 2] ^= 1
    checkpoints[-1].write_bytes(newest)
    assert reproducible_files(pipeline.resume(run, "run", here(tmp_path))) == reproducible_files(whole)


OTHERS = {"torch": "1.0", "tenfold": "0.0.1", "instruction_set": "VAX", "device": "cuda", "threads_per_member": 8}


def test_k13_resume_refuses_what_would_change_the_bits_unless_told(recipe: Recipe, tmp_path: Path) -> None:
    run = unfinished(recipe, tmp_path)
    path = run.path / "environment.json"
    here_is = json.loads(path.read_text())
    for name, other in OTHERS.items():
        path.write_text(json.dumps(here_is | {name: other}))
        with pytest.raises(
            IntegrityError, match=re.escape(f"{name}: the run has {other!r}, here is {here_is[name]!r}")
        ):
            pipeline.resume(run, "run", here(tmp_path))
    resumed = pipeline.resume(run, "run", here(tmp_path, allow_inexact_resume=True))
    assert resumed.read_json("resumed.json")["reproducible"] is False
    assert "not reproducible" in (resumed.path / "report.html").read_text("utf-8").lower()


def test_k13_a_recipe_changed_under_a_run_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    run = unfinished(recipe, tmp_path)
    path = run.path / "recipe.toml"
    text = path.read_text()
    edits = {
        "seed: 3 became 4": ("seed = 3", "seed = 4"),
        "train.learning_rate: 0.02 became 0.03": ("learning_rate = 0.02", "learning_rate = 0.03"),
        "augment.0.shift: 0.5 became 0.25": ("shift = 0.5", "shift = 0.25"),
    }
    for change, (line, other) in edits.items():
        assert line in text
        path.write_text(text.replace(line, other))
        words = re.escape(f" (recipe.toml was edited since the run began: {change})")
        with pytest.raises(IntegrityError, match=rf"recipe_key: .*{words}"):
            pipeline.resume(Run(run.path), "run", here(tmp_path))
    began = run.environment
    del began["recipe"]  # as runs of 0.1 recorded it
    (run.path / "environment.json").write_text(json.dumps(began))
    with pytest.raises(IntegrityError, match=r"\(recipe.toml was edited since the run began\)"):
        pipeline.resume(Run(run.path), "run", here(tmp_path))


def test_l06_a_leak_is_marked_everywhere(recipe: Recipe, digits: Dataset, tmp_path: Path) -> None:
    run = pipeline.start(recipe, "run", here(tmp_path), train=digits, test=digits.take(range(300)).without_labels())
    assert run.summary["leaked"]
    assert run.data["leaked"]
    assert "submission.leaked.csv" in run.files()
    assert "submission.csv" not in run.files()
    assert "leak" in (run.path / "report.html").read_text("utf-8").lower()


@pytest.mark.parametrize("model", ["network", "fitted"])
def test_l07_rows_held_out_teach_the_weights_nothing(model: str, digits: Dataset, tmp_path: Path) -> None:
    """Batch statistics, components, schedule, augmentation, averages: all that a member learns comes from its own rows.

    The rows held out are drawn without a look at the images, to be the same in both runs.
    """
    recipe = parse_recipe(FITTED if model == "fitted" else RECIPE, ["data.draw='shuffled'"])
    train, test = digits.take(range(1000)), digits.take(range(1000, 1400))
    first = pipeline.start(recipe, "run", here(tmp_path), train=train, test=test)
    held = np.isin(train.ids, first.predictions("validation").ids)
    assert held.sum() == len(first.predictions("validation")) >= 200
    images = train.images.copy()
    images[held] = np.random.default_rng(0).integers(0, 256, images[held].shape, dtype=np.uint8)
    second = pipeline.start(recipe, "run", here(tmp_path), train=replace(train, images=images), test=test)
    runs = (first, second)
    assert np.array_equal(*(run.predictions("validation").ids for run in runs))
    assert [run.summary["validation"]["accuracy"] > 0.8 for run in runs] == [True, False]  # the noise was looked at
    for name in first.files():
        if name.endswith((".safetensors", "test.npz", "submission.csv")):
            assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name
    assert len(list(first.path.glob("members/*/*.safetensors"))) == recipe.ensemble.members


def test_l07_the_test_set_teaches_nothing(recipe: Recipe, digits: Dataset, tmp_path: Path) -> None:
    """Temperature and reject threshold come from the rows held out: with noise for a test set they stay the same."""
    train, test = digits.take(range(1000)), digits.take(range(1000, 1400))
    noise = replace(test, images=np.random.default_rng(0).integers(0, 256, test.images.shape, dtype=np.uint8))
    runs = [pipeline.start(recipe, "run", here(tmp_path), train=train, test=unseen) for unseen in (test, noise)]
    learnt = [
        (bundle.calibration, bundle.reject_threshold) for bundle in (Bundle.open(run.path).manifest for run in runs)
    ]
    assert learnt[0] == learnt[1]
    assert learnt[0][0] is not None
    assert learnt[0][0].images == len(runs[0].predictions("validation"))
    assert [run.summary["test"]["accuracy"] > 0.8 for run in runs] == [True, False]
    assert (
        runs[0].predictions("validation").probabilities.tobytes()
        == runs[1].predictions("validation").probabilities.tobytes()
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.layers='8C3 SOFTMAX'"], "needs a flat input"),
        (["augment=[{kind='twist'}]"], "unknown augmentation 'twist'"),
        (["data.validation=0", "train.keep='best'"], r"need held-out rows, but data\.validation is 0"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(
    sources: tuple[str, str], tmp_path: Path, overrides: list[str], message: str
) -> None:
    recipe = parse_recipe(RECIPE, [f"data.train={json.dumps(sources[0])}", *overrides])
    with pytest.raises(UsageError, match=message):
        pipeline.start(recipe, "run", here(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_labels_are_needed(sources: tuple[str, str], tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE, [f"data.train={json.dumps(sources[1])}"])
    with pytest.raises(Exception, match="label"):
        pipeline.start(recipe, "run", here(tmp_path, options=ReadOptions()))


def test_all_rows_train_without_validation(recipe: Recipe, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        recipe.model_dump() | {"data": recipe.data.model_dump() | {"validation": 0, "bag": 0.9, "limit": 500}}
    )
    run = pipeline.start(recipe, "run", here(tmp_path))
    assert run.data["rows"] == {"train": 500, "validation": 0}
    assert run.summary["validation"] is None
    assert run.has_predictions("test")
    assert Bundle.open(run.path).manifest.calibration is None


def test_the_geometric_vote_reaches_the_bundle(recipe: Recipe, digits: Dataset, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(recipe.model_dump() | {"ensemble": {"members": 2, "vote": "log-mean"}})
    run = pipeline.start(recipe, "run", here(tmp_path))
    one, two = (np.load(run.member_path(m) / "test.npz")["probabilities"].astype(np.float64) for m in (0, 1))
    expected = np.sqrt(one * two) / np.sqrt(one * two).sum(axis=1, keepdims=True)
    assert np.abs(run.predictions("test").probabilities - expected).max() < 1e-6
    assert np.abs(Bundle.open(run.path).predict_proba(digits.images[1400:]) - expected).max() < 1e-5


def test_shifts_count_in_the_predictions_and_in_the_bundle(recipe: Recipe, digits: Dataset, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(recipe.model_dump() | {"ensemble": {"members": 2, "shifts": 1}})
    plain = Recipe.model_validate(recipe.model_dump() | {"ensemble": {"members": 2}})
    run, other = (
        pipeline.start(each, "run", here(tmp_path / f"shifts{each.ensemble.shifts}")) for each in (recipe, plain)
    )
    voted = run.predictions("test").probabilities
    assert np.abs(voted - other.predictions("test").probabilities).max() > 1e-3
    assert np.abs(Bundle.open(run.path).predict_proba(digits.images[1400:]) - voted).max() < 1e-5


def test_missing_packages_are_said_with_their_command(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "packages", lambda: [runtime.Package("torch", "==2.13.0", None, "train")])
    with pytest.raises(ResourceError, match=r"without torch; run: .*pip install .*\[train\]'"):
        pipeline.start(recipe, "run", here(tmp_path))


def test_a_run_explores_its_data_when_asked(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "DEFAULT", tsne.Tsne(early_rounds=10, rounds=10))
    run = pipeline.start(recipe, "run", here(tmp_path, explore=True))
    assert "explore.html" in run.files()
    assert run.verify() == []
    assert "<h1>train.npz</h1>" in (run.path / "explore.html").read_text("utf-8")
    assert '<a href="explore.html">' in (run.path / "report.html").read_text("utf-8")
    assert run.summary["seconds"]["explore"] > 0


def test_exploring_without_its_packages_is_refused_before_training(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install .*\[explore\]'"):
        pipeline.start(recipe, "run", here(tmp_path, explore=True))
    assert not (tmp_path / "runs").exists()


class StoppingBefore(pipeline.Listener):
    """Sends SIGINT when the listener is told of the export."""

    def say(self, text: str) -> None:
        if text == "exporting the bundle":
            raise KeyboardInterrupt


def damage(run: Run, member: int) -> None:
    path = run.member_path(member) / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_m12_a_damaged_member_is_named_with_both_ways_out(recipe: Recipe, tmp_path: Path) -> None:
    whole = pipeline.start(recipe, "run", here(tmp_path))
    with pytest.raises(Stopped):
        pipeline.start(recipe, "run", here(tmp_path / "other"), StoppingBefore())
    run = Run(next((tmp_path / "other" / "runs").iterdir()))
    damage(run, 1)
    with pytest.raises(
        IntegrityError, match=r"members/01.*Remove .*members/01 and resume, .* or resume with --allow-partial"
    ):
        pipeline.resume(run, "run", here(tmp_path))
    shutil.rmtree(run.member_path(1))
    assert reproducible_files(pipeline.resume(run, "run", here(tmp_path))) == reproducible_files(whole)


def test_m12_allow_partial_goes_on_without_it_and_says_so_everywhere(
    recipe: Recipe, digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        pipeline.start(recipe, "run", here(tmp_path), StoppingBefore())
    run = Run(next((tmp_path / "runs").iterdir()))
    damage(run, 0)
    done = command_line("-q", "run", "--resume", run.path, "--allow-partial", "--executor", "local")
    assert done.code == 0, done.err
    assert "!!! PARTIAL: member 0 was left out" in done.out
    run = Run(run.path)
    assert run.verify() == []
    assert run.finished_members() == [1]
    assert run.summary["left_out"] == [0]
    assert "submission.partial.csv" in run.files() and "submission.csv" not in run.files()
    assert "Partial: 1 member of the ensemble left out" in (run.path / "report.html").read_text("utf-8")
    bundle = Bundle.open(run.path)
    assert (bundle.manifest.members, bundle.manifest.left_out) == (1, 1)
    assert "Partial: 1 of 2 networks were damaged" in (run.path / "bundle" / "card.md").read_text("utf-8")
    alone = np.load(run.member_path(1) / "test.npz")["probabilities"]
    assert np.abs(bundle.predict_proba(digits.images[1400:]) - alone).max() < 1e-5


def test_m12_an_ensemble_without_a_whole_member_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        pipeline.start(recipe, "run", here(tmp_path), StoppingBefore())
    run = Run(next((tmp_path / "runs").iterdir()))
    damage(run, 0)
    damage(run, 1)
    with pytest.raises(IntegrityError, match=r"all members of .* are damaged"):
        pipeline.resume(run, "run", here(tmp_path, allow_partial=True))
