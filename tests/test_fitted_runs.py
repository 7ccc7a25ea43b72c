"""Models that are fitted at once go through the same house as networks, alone and beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _digits import digits
from tenfold import pipeline
from tenfold.bundle.predict import Bundle
from tenfold.errors import UsageError
from tenfold.training.member import load_member
from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run

SVM = """
name = "fitted"
seed = 1
[data]
validation = 0.2
[model]
kind = "svm"
components = 30
gamma = 0.5
"""
MIXED = """
name = "mixed"
[data]
validation = 0.2
[[model]]
kind = "svm"
calibrate = false
[[model]]
layers = "FLAT 32 SOFTMAX"
[train]
epochs = 1
[ensemble]
members = 2
shifts = 1
vote = "log-mean"
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


class Ears(pipeline.Listener):
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.members: dict[int, list[dict[str, Any]]] = {}

    def event(self, member: int, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.members.setdefault(member, []).append(event)


def run(text: str, folder: Path, listener: pipeline.Listener = pipeline.SILENT, executor: str = "local") -> Run:
    train, test = digits().take(range(700)), digits().take(range(700, 900))
    settings = pipeline.Settings(folder / "runs", executor=executor)
    return pipeline.start(parse_recipe(text), "run", settings, listener, train=train, test=test)


def test_the_longest_training_begins_first_and_each_event_is_its_members(tmp_path: Path) -> None:
    ears = Ears()
    small, fitted, large = (
        f"[[model]]\n{line}\n"
        for line in ("layers = 'FLAT 8 SOFTMAX'", "kind = 'linear'", "layers = '8C3 FLAT SOFTMAX'")
    )
    recipe = f"{small}{fitted}{large}[data]\nvalidation = 0.2\n[train]\nepochs = 1\n[ensemble]\nmembers = 5\n"
    done = run(recipe, tmp_path, ears)
    assert list(ears.members) == [1, 4, 2, 0, 3]
    said = {member: events[-1]["history"]["train_loss"] for member, events in ears.members.items()}
    assert said == {member: done.history(member)[0]["train_loss"] for member in range(5)}


@pytest.mark.parametrize("text", [SVM, MIXED], ids=["svm", "svm and network"])
def test_every_file_is_there_and_the_bundle_says_what_the_run_says(text: str, tmp_path: Path) -> None:
    ears = Ears()
    done = run(text, tmp_path, ears)
    assert done.verify() == []
    assert {"report.html", "submission.csv", "bundle/model.onnx", "predictions/test.npz"} <= set(done.files())
    said = Bundle.open(done.path).predict_proba(digits().images[700:900])
    assert np.abs(said - done.predictions("test").probabilities).max() < 3e-4
    assert done.summary["test"]["accuracy"] > 0.9
    assert {event["fitting"] for event in ears.events if "fitting" in event} >= {
        "pairs of classes",
        "virtual support vectors",
    }
    (row,) = done.history(0)
    assert row["train_accuracy"] > 0.9
    if text is SVM:
        assert row["validation_accuracy"] == pytest.approx(done.predictions("validation").accuracy)


def test_a_process_of_its_own_gives_the_same_bits(tmp_path: Path) -> None:
    here, there = run(SVM, tmp_path), run(SVM, tmp_path, executor="processes")
    assert here.read_json("members/00/member.json") == there.read_json("members/00/member.json")


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    done = run(SVM, tmp_path)
    path = done.member_path(0) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(Exception, match="SHA-256 differs"):
        load_member(done, 0, (1, 8, 8), 10)


def test_settings_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for setting, message in (
        ("C = -1", r"model C = -1; expected a number from"),
        ('features = "wavelets"', r"expected one of: pixels, gradients"),
        ("virtuel = 1", r"no key 'virtuel'; allowed: features, "),
    ):
        with pytest.raises(UsageError, match=message):
            run(f'name = "x"\n[model]\nkind = "svm"\n{setting}\n', tmp_path)
    assert not (tmp_path / "runs").exists()
