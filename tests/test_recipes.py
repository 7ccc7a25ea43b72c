"""Every recipe that comes with tenfold loads, builds and says what it claims."""

from __future__ import annotations

import pytest
import torch

from tenfold.augmentation import build as build_augmentation
from tenfold.models import build as build_model
from tenfold.training.optimisers import build_optimizer
from tenfold.values.recipe import FOLDER, find_recipe, load_recipe, parse_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_it_builds_and_its_first_line_is_the_claim(name: str) -> None:
    path = find_recipe(name)
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.claim
    assert path.read_text("utf-8").startswith("# ")
    assert "# " in path.read_text("utf-8").partition("Check: ")[0]
    for settings in recipe.model:
        network = build_model(settings, (1, 28, 28), 10)
        assert network.eval()(torch.rand(2, 1, 28, 28)).shape == (2, 10)
        build_optimizer(network, recipe.train)
    images = build_augmentation(recipe.augment)(torch.rand(4, 1, 28, 28), torch.Generator())
    assert images.shape == (4, 1, 28, 28)


@pytest.mark.parametrize("name", recipe_names())
def test_a_run_of_it_records_the_same_recipe(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    assert parse_recipe(recipe.to_toml()) == recipe


def test_the_notebooks_ensemble_is_ten_of_its_cnns() -> None:
    ensemble, one = (load_recipe(find_recipe(f"notebook/{name}")) for name in ("cnn-ensemble", "cnn"))
    assert ensemble.ensemble.members == 10
    changed = {"name": one.name, "claim": one.claim, "expected": one.expected, "ensemble": one.ensemble}
    assert ensemble.model_copy(update=changed) == one
    parameters = sum(p.numel() for p in build_model(one.model_of(0), (1, 28, 28), 10).parameters())
    assert f"{parameters:,} parameters" in one.claim


def test_tiny_is_tiny() -> None:
    network = build_model(load_recipe(find_recipe("tiny")).model_of(0), (1, 28, 28), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) <= 25_000


def test_every_entry_of_the_notebooks_log_is_a_recipe() -> None:
    numbers = [int(path.name[:2]) for path in (FOLDER / "notebook").glob("[0-9][0-9]-*.toml")]
    assert sorted(numbers) == list(range(1, 53))
