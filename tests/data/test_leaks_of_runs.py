"""A run looks for changed copies of training images among the test images, and marks what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from _service import big_digits
from tenfold import pipeline
from tenfold.api.submit import submit
from tenfold.data.checks import check
from tenfold.data.checks.near_duplicates import FIRST, _largest, near_duplicates
from tenfold.pipeline import Settings
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import parse_recipe

RECIPE = 'name = "small"\n[data]\nvalidation = 0.2\n[model]\nkind = "linear"\n'


def shifted(data: Dataset) -> Dataset:
    return Dataset(np.roll(data.images, 1, axis=3), None, np.arange(1, len(data) + 1), data.class_names)


def test_l06_a_shifted_test_set_is_a_leak_of_the_run_its_report_and_its_submission(tmp_path: Path) -> None:
    train = big_digits().take(range(400))
    source = tmp_path / "train.npz"
    np.savez(source, images=train.images, labels=train.labels)
    recipe = parse_recipe(RECIPE.replace("[data]\n", f'[data]\ntrain = "{source}"\n'))
    settings = Settings(tmp_path / "runs", executor="local")
    run = pipeline.start(recipe, "run", settings, test=shifted(train.take(range(60))))
    assert run.data["leaked"] and run.summary["leaked"]
    found = next(finding for finding in run.data["findings"] if finding["name"] == "near-leakage")
    assert (found["severity"], found["count"]) == ("leak", 60)
    assert [path.name for path in run.path.glob("submission*")] == ["submission.leaked.csv"]
    assert "look like changed copies of training images" in (run.path / "report.html").read_text("utf-8")
    # and a test set that comes later
    later = tmp_path / "later.npz"
    np.savez(later, images=shifted(train.take(range(100, 160))).images)
    done = submit(run, later, out=tmp_path / "submission.csv")
    assert (done.path.name, done.leaked) == ("submission.leaked.csv", True)


def test_a_clean_test_set_is_none() -> None:
    data = big_digits()
    found = {f.name: f for f in check(data.take(range(900)), data.take(range(900, 1500)).without_labels())}
    assert found["near-leakage"].severity == "note"


def test_of_a_large_leak_some_rows_are_enough_and_the_message_says_so() -> None:
    data = big_digits()
    copies = shifted(data.take(np.arange(FIRST + 500) % 300))
    found = {f.name: f for f in check(data.take(range(300)), copies)}["near-leakage"]
    assert (found.severity, found.total) == ("leak", FIRST)
    assert f"of {FIRST:,} test rows looked at" in found.message


def test_rare_copies_are_counted_among_all_rows() -> None:
    data = big_digits()
    clean = data.take(np.arange(300, 300 + 1400))
    rows = np.concatenate([clean.images, clean.images[:, :, ::-1], shifted(data.take(range(40))).images])
    test = Dataset(rows, None, np.arange(len(rows)), data.class_names)
    found = {f.name: f for f in check(data.take(range(300)), test)}["near-leakage"]
    assert found.total == len(test) > FIRST
    assert found.severity in ("warning", "note") and found.count >= 38


@pytest.mark.parametrize(("length", "count"), [(5, 3), (8, 8), (9, 8), (70, 8), (1001, 8), (4096, 8)])
def test_the_largest_are_found_in_rows_of_any_length(length: int, count: int) -> None:
    values = np.random.default_rng(0).normal(size=(20, length)).astype(np.float32)
    found = np.sort(np.take_along_axis(values, _largest(values, count), axis=1), axis=1)
    np.testing.assert_array_equal(found, np.sort(values, axis=1)[:, -count:])


def test_copies_of_large_pictures_are_found_at_a_bounded_size() -> None:
    large = np.repeat(np.repeat(big_digits().images[:60], 8, axis=2), 8, axis=3)
    found = near_duplicates(large[:50], np.roll(large[:20], 5, axis=3))
    assert list(zip(found.first, found.second, strict=True)) == [(i, i) for i in range(20)]
