"""Time and accuracy before anything is trained; recipe and epochs for a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tenfold
from tenfold.pipeline import Listener, Settings
from tenfold.speed import expected
from tenfold.speed.expected import accuracy_at, choose, expect, for_minutes, in_words, machine_factor, makespan, suited


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def digits_like(rows: int) -> tenfold.Dataset:
    images = np.zeros((rows, 1, 28, 28), np.uint8)
    images[:, :, 4:24, 4:24] = np.random.default_rng(0).integers(0, 255, (rows, 1, 20, 20), np.uint8)
    return tenfold.Dataset(images, np.arange(rows) % 10, np.arange(rows), tuple("0123456789"))


class Heard(Listener):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_time_has_no_more_digits_than_an_estimate_has() -> None:
    assert [in_words(seconds) for seconds in (1, 44, 89, 240, 7200)] == ["5 s", "40 s", "90 s", "4 min", "2.0 h"]


def test_members_share_the_cores() -> None:
    assert makespan([3, 2, 2], 2) == 4
    assert makespan([3], 8) == makespan([1, 1, 1], 1) == 3


def test_errors_are_a_power_of_the_rows_between_two_figures() -> None:
    recipe = tenfold.load_recipe("quick", ["expected={accuracy_1000 = 0.96, accuracy_16000 = 0.99}"])
    assert accuracy_at(recipe, 1000) == pytest.approx(0.96)
    assert accuracy_at(recipe, 4000) == pytest.approx(0.98)
    assert 0.99 < (accuracy_at(recipe, 60_000) or 0) < 0.995
    assert (accuracy_at(recipe, 100) or 1) < 0.96
    assert accuracy_at(recipe.model_copy(update={"expected": {"test_accuracy": 0.9}}), 1000) is None


def test_time_follows_epochs_rows_members_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "machine_factor", lambda half=False: 2.0)
    data, recipe = digits_like(12_000), tenfold.load_recipe("quick", ["train.epochs=10", "ensemble.members=2"])
    one = expect(recipe, data)
    assert expect(recipe, data, workers=2).seconds == pytest.approx(one.seconds / 2)
    assert expect(recipe.overridden(["train.epochs=20"]), data).seconds == pytest.approx(2 * one.seconds, rel=0.1)
    assert expect(recipe.overridden(["data.limit=6000"]), data).seconds == pytest.approx(one.seconds / 2, rel=0.1)
    assert expect(recipe, data, folds=5).core_seconds == pytest.approx(4 * one.core_seconds, rel=0.2)
    assert one.core_seconds > expect(recipe, digits_like(1000)).core_seconds > 0


def test_this_machine_is_measured_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "MEASURED", 0.05)
    factor = machine_factor()
    kept = json.loads((home / "speed.json").read_text("utf-8"))
    assert list(kept.values()) == [factor] and 0.05 < factor < 20
    monkeypatch.setattr(expected, "_measured", lambda half: pytest.fail("measured again"))
    assert machine_factor() == factor
    (home / "speed.json").write_text('{"damaged"')
    monkeypatch.setattr(expected, "_measured", lambda half: 3.0)
    assert machine_factor() == 3.0


def test_epochs_are_those_that_the_minutes_allow() -> None:
    found = expect(tenfold.load_recipe("quick", ["train.epochs=12"]), digits_like(3000))
    found = replace(found, seconds=609.0, accuracy=0.99)
    half = for_minutes(found, 309 / 60)
    assert (half.recipe.train.epochs, half.seconds) == (6, pytest.approx(309))
    assert 0.988 < (half.accuracy or 0) < 0.99
    assert for_minutes(found, 600).recipe.train.epochs == 24, "no more than twice the recipe's"
    assert for_minutes(found, 0.1).recipe.train.epochs == 4, "no less than a third"


def test_the_most_accurate_that_takes_no_longer_is_chosen() -> None:
    first = expect(tenfold.load_recipe("quick"), digits_like(1000))
    default = replace(first, accuracy=0.98, seconds=100)
    quicker = replace(first, accuracy=0.985, seconds=20, recipe=tenfold.load_recipe("svm-fast"))
    slow = replace(first, accuracy=0.996, seconds=500, recipe=tenfold.load_recipe("fast"))
    best, why = choose([default, quicker, slow], None)
    assert best.recipe.name == "svm-fast"
    assert why.startswith("svm-fast: about 20 s on 1 core, 0.9850 expected of handwritten digits (quick: about 2 min")
    assert choose([default, quicker, slow], 15)[0].recipe.name == "fast"
    assert choose([default, replace(quicker, accuracy=0.98)], None)[0].recipe.name == "quick", "a tie is the default's"


def test_without_a_recipe_own_data_choose_it_and_say_why() -> None:
    names = ("quick", "svm-fast", "fast")
    settings = Settings(candidates=tuple(tenfold.load_recipe(name) for name in names), workers=1)
    heard = Heard()
    recipe = suited(settings.candidates[0], digits_like(1000), settings, heard)
    assert heard.lines[0].startswith(f"recipe chosen: {recipe.name}: about ")
    assert heard.lines[-1].startswith("expected: about ")
    shapes = tenfold.Dataset(np.zeros((60, 3, 20, 20), np.uint8), np.arange(60) % 2, np.arange(60), ("a", "b"))
    heard = Heard()
    assert suited(settings.candidates[0], shapes, settings, heard).name == "quick", "no other fits itself to them"
    assert not any(line.startswith("recipe chosen") for line in heard.lines)


def test_recipes_are_ranked_for_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "machine_factor", lambda half=False: 1.0)
    ranked = [entry for entry in tenfold.recipes(source=digits_like(2000)) if entry.accuracy]
    assert {"quick", "fast", "svm-fast", "best", "linear"} <= {entry.name for entry in ranked}
    assert ranked[0].name in ("best", "fast") and ranked[-1].name == "linear"
    listed = {entry.name: entry for entry in tenfold.recipes()}
    assert all((entry.accuracy or 0) < (listed[entry.name].accuracy or 1) for entry in ranked), "2,000 rows are few"
    assert all(entry.core_seconds for entry in ranked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "shorter"), [("quick", ["train.epochs=4"]), ("svm-fast", []), ("fast", ["train.epochs=1"]), ("mlp", [])]
)
def test_the_expected_time_is_right_within_a_factor_of_one_and_a_half(
    recipe: str, shorter: list[str], tmp_path: Path
) -> None:
    data = digits_like(4000)
    loaded = tenfold.load_recipe(recipe, shorter)
    foreseen = expect(loaded, data).core_seconds
    run = tenfold.train(loaded, train=data, out=tmp_path, workers=1, progress=False)
    took = run.summary["core_seconds"]
    near = abs(took - foreseen) < 6  # seconds, most of them until torch is imported, of which nobody plans anything
    assert near or foreseen / 1.5 < took < foreseen * 1.5, (foreseen, took)
