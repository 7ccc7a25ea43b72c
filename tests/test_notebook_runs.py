"""A training that holds a test set out, and cross-validates its own rows beside: all that the notebook's reports
have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

import tenfold as api
from _digits import digits
from tenfold.bundle.predict import Bundle
from tenfold.data.splits import shuffled_split
from tenfold.errors import Stopped, UsageError
from tenfold.training.ensemble import split_rows
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, find_recipe, load_recipe, parse_recipe
from tenfold.values.run import Run

SMALL = """
name = "small"
seed = 20210102
[data]
draw = "shuffled"
validation = 0.2
holdout = 0.15
folds = 3
[model]
kind = "linear"
"""
NETWORK = SMALL.replace('kind = "linear"', 'layers = "FLAT 16 SOFTMAX"\n[train]\nepochs = 2\nkeep = "best"')


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


def start(recipe: Recipe, folder: Path) -> Run:
    train, test = digits().take(range(600)), digits().take(range(600, 700)).without_labels()
    return api.run(recipe, train=train, test=test, out=folder / "runs", executor="local", progress=False)


@pytest.mark.parametrize("count", [42_000, 997])
def test_rows_are_shuffled_as_scikit_learn_does_after_numpys_seed(count: int) -> None:
    np.random.seed(20210102)  # as the notebook does
    rest, validation = train_test_split(np.arange(count), test_size=0.2)
    train, test = train_test_split(rest, test_size=0.15)
    found = shuffled_split(count, [0.2, 0.15], 20210102)
    for ours, theirs in zip(found, (train, validation, test), strict=True):
        assert np.array_equal(ours, np.sort(theirs))


def test_the_notebooks_recipes_have_its_numbers_of_rows() -> None:
    labels = np.arange(42_000) % 10
    kaggle = Dataset(
        np.zeros((42_000, 1, 1, 1), np.uint8), labels.astype(np.int64), np.arange(42_000), tuple("0123456789")
    )
    for name in ("svm", "mlp", "mlp-as-written"):
        split = split_rows(load_recipe(find_recipe(f"notebook/{name}")), kaggle)
        assert (len(split.train), len(split.held), len(split.holdout)) == (28_560, 8_400, 5_040)


@pytest.mark.parametrize("draw", ["stratified", "shuffled"])
def test_no_row_has_two_roles(draw: str) -> None:
    recipe = parse_recipe(SMALL).overridden([f"data.draw={draw}"])
    split = split_rows(recipe, digits())
    assert np.array_equal(np.sort(np.concatenate([split.train, split.held, split.holdout])), np.arange(len(digits())))


def test_without_a_holdout_share_the_split_is_what_it_was() -> None:
    recipe = parse_recipe("[data]\nvalidation = 0.2\n[model]\nlayers = 'FLAT SOFTMAX'")
    split = split_rows(recipe, digits())
    with_one = split_rows(recipe.overridden(["data.holdout=0.1"]), digits())
    assert not len(split.holdout)
    assert np.array_equal(split.held, with_one.held)
    assert np.array_equal(split.train, np.union1d(with_one.train, with_one.holdout))


@pytest.mark.parametrize("text", [SMALL, NETWORK], ids=["linear", "network"])
def test_the_run_has_everything(text: str, tmp_path: Path) -> None:
    done = start(parse_recipe(text), tmp_path)
    assert done.verify() == []
    assert {"submission.csv", "report.html", "bundle/model.onnx", "cv/report.html", "cv/predictions/oof.npz"} <= set(
        done.files()
    )
    with np.load(done.path / "split.npz") as split:
        rows = {name: split[name] for name in ("train", "held", "holdout")}
    assert [len(some) for some in rows.values()] == [408, 120, 72]
    holdout = done.predictions("holdout")
    assert np.array_equal(holdout.ids, digits().ids[rows["holdout"]])
    assert (
        np.abs(Bundle.open(done.path).predict_proba(digits().images[rows["holdout"]]) - holdout.probabilities).max()
        < 1e-4
    )
    assert done.summary["holdout"]["accuracy"] == pytest.approx(holdout.accuracy)
    inner = done.cross_validation()
    assert inner is not None
    assert np.array_equal(inner.predictions("oof").ids, digits().ids[rows["train"]])
    assert len(inner.summary["folds"]) == 3
    held_out_by_folds = [len(fold["held"]) for run in inner.folds() if (fold := np.load(run.path / "split.npz"))]
    assert all(held_out_by_folds) == (text is NETWORK)  # only what chooses an epoch needs rows to choose by
    report = (done.path / "report.html").read_text("utf-8")
    for piece in ("Rows that were learnt from", "Rows that were not", "standard deviation", "holdout accuracy"):
        assert piece in report
    assert report.count("Holdout images: rows are the truth") == 1


def test_an_interrupted_cross_validation_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start(parse_recipe(SMALL), tmp_path / "whole")

    def stopped(*arguments: object) -> None:
        raise Stopped("enough")

    with monkeypatch.context() as patch:
        patch.setattr("tenfold.pipeline.folds.gather", stopped)
        with pytest.raises(Stopped, match="tenfold run --resume"):
            start(parse_recipe(SMALL), tmp_path / "cut")
    (path,) = (tmp_path / "cut" / "runs").iterdir()
    cut = Run(path)
    assert cut.command == "run"
    assert cut.cross_validation() is None
    done = api.resume(cut, executor="local", progress=False)
    assert done.verify() == []
    for name in ("predictions/holdout.npz", "cv/predictions/oof.npz", "submission.csv"):
        assert (done.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_folds_do_not_need_is_not_in_the_key() -> None:
    recipe = parse_recipe(SMALL)
    assert recipe.overridden(["data.folds=0"]).key() == recipe.key()
    assert recipe.overridden(["data.holdout=0.1"]).key() != recipe.key()
    with pytest.raises(UsageError, match=r"data\.folds: expected 0 or at least 2 folds"):
        recipe.overridden(["data.folds=1"])


def test_a_cross_validation_by_its_own_command_ignores_the_holdout(tmp_path: Path) -> None:
    recipe = parse_recipe(SMALL)
    train = digits().take(range(300))
    done = api.cross_validate(recipe, folds=3, train=train, out=tmp_path / "runs", executor="local", progress=False)
    assert len(done.predictions("oof")) == 300
