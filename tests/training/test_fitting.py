"""The default recipe fits itself to images of any size and to few rows, and leaves what suits it alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tenfold
from _digits import digits
from _shapes import shapes
from tenfold.models import build
from tenfold.pipeline.study import identity
from tenfold.training.fitting import FEW_STEPS, LEAST_STEPS, border_ink, few_steps, fitted, layers_for_size, steps_of
from tenfold.values.recipe import parse_recipe

QUICK = tenfold.load_recipe("quick")
DEFAULTS = {"fit": (), "fitted_from": "", "claim": QUICK.claim, "expected": QUICK.expected}


def like(shape: tuple[int, int, int], rows: int, *, border: int = 4) -> tenfold.Dataset:
    """Images (C, H, W) whose ink stays so far from the border."""
    images = np.zeros((rows, *shape), np.uint8)
    images[:, :, border : shape[1] - border, border : shape[2] - border] = 200
    return tenfold.Dataset(images, np.arange(rows) % 10, np.arange(rows), tuple("0123456789"))


def test_mnist_sized_data_leaves_the_recipe_as_it_is() -> None:
    recipe, line = fitted(QUICK, like((1, 28, 28), 42_000))
    assert (recipe, line) == (QUICK.model_copy(update=DEFAULTS), "")
    assert recipe.key() == QUICK.key()


def test_few_rows_have_smaller_batches_and_more_epochs() -> None:
    recipe, line = fitted(QUICK, like((1, 28, 28), 420))
    assert (recipe.train.batch_size, recipe.model) == (16, QUICK.model)
    assert LEAST_STEPS <= steps_of(recipe.train, 399) <= 1.1 * LEAST_STEPS
    assert f"batches of 16, {recipe.train.epochs} epochs" in line
    assert (recipe.claim, recipe.expected, recipe.fitted_from) == ("", {}, QUICK.key())
    assert recipe.key() != QUICK.key()


def test_a_border_with_ink_is_kept() -> None:
    full = like((1, 28, 28), 42_000, border=0)
    recipe, line = fitted(QUICK, full)
    layers = recipe.model[0].settings["layers"]
    assert "CROP" in QUICK.model[0].settings["layers"] and "CROP" not in layers and layers in line
    white = dataclasses.replace(full, images=255 - like((1, 28, 28), 42_000).images)
    assert border_ink(white.images[:9], 2) == 0, "ink on white paper is as far from the border"
    assert fitted(QUICK, white)[0].model == QUICK.model


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 32, 32), (1, 1, 64), (4, 5, 40), (3, 64, 48), (3, 224, 224), (1, 3, 3)]
)
def test_images_of_any_size_have_layers_that_fit(shape: tuple[int, int, int]) -> None:
    recipe, _ = fitted(QUICK, like(shape, 60, border=0))
    assert recipe.model[0].settings["layers"] == layers_for_size(shape)
    network = build(recipe.model[0], shape, 26)
    assert sum(parameter.numel() for parameter in network.parameters()) < 1_000_000
    assert recipe.augment[0].settings["shift"] == pytest.approx(2 * min(shape[1:]) / 28, abs=0.05)
    assert [settings.kind for settings in recipe.augment] == ["affine"], "nothing is mirrored or recoloured unasked"


@pytest.mark.parametrize(
    ("override", "left"),
    [
        ("model.layers=FLAT SOFTMAX", "layers"),
        ("augment.shift=3", "shift"),
        ("train.epochs=2", "steps"),
        ("train.batch_size=64", "steps"),
    ],
)
def test_a_key_that_is_set_by_hand_stays(override: str, left: str) -> None:
    recipe = tenfold.load_recipe("quick", [override])
    assert set(QUICK.fit) - set(recipe.fit) == {left}


def test_a_recipe_that_extends_it_keeps_its_own_keys() -> None:
    assert parse_recipe('extends = "quick"\n[train]\nepochs = 2').fit == ("layers", "shift")
    assert parse_recipe('extends = "quick"\nseed = 2').fit == QUICK.fit
    assert parse_recipe('extends = "quick"\nfit = []').fit == ()


def test_a_run_can_be_fitted_once_only() -> None:
    once, _ = fitted(QUICK, like((3, 32, 32), 420))
    assert fitted(once, like((3, 32, 32), 420)) == (once, "")


def test_a_study_finds_the_run_of_a_recipe_that_was_fitted() -> None:
    for shape in ((3, 32, 32), (1, 28, 28)):
        assert identity(fitted(QUICK, like(shape, 420))[0]) == identity(QUICK)
    assert identity(fitted(QUICK.overridden(["seed=2"]), like((3, 32, 32), 420))[0]) != identity(QUICK)


def test_few_steps_are_said_with_what_to_do() -> None:
    by_hand = tenfold.load_recipe("quick", ["train.epochs=3"])
    line = few_steps(by_hand, 420)
    assert line.startswith("note: only 9 steps of training (3 epochs of 399 rows in batches of 128)")
    more = by_hand.overridden([word.strip() for word in line.partition("try: ")[2].split("--set ") if word])
    assert steps_of(more.train, 399) >= FEW_STEPS and few_steps(more, 420) == ""
    assert few_steps(QUICK, 60_000) == few_steps(tenfold.load_recipe("svm-fast"), 420) == ""


def accuracy(train: tenfold.Dataset, test: tenfold.Dataset, folder: Path) -> float:
    """Of the default recipe, without an option, on images that it did not see."""
    run = tenfold.train(train=train, out=folder, executor="local", progress=False)
    assert run.recipe.fit == () and run.recipe.fitted_from == QUICK.key()
    return float(tenfold.evaluate(run, test).score.accuracy)


@pytest.mark.slow
def test_8x8_digits_are_learnt_without_an_option(tmp_path: Path) -> None:
    data = digits()
    assert accuracy(data.take(range(1400)), data.take(range(1400, 1797)), tmp_path) >= 0.985


@pytest.mark.slow
def test_420_coloured_shapes_are_learnt_without_an_option(tmp_path: Path) -> None:
    assert accuracy(shapes(60, seed=0), shapes(20, seed=1), tmp_path) >= 0.98
