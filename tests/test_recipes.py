"""Every recipe that comes with tenfold loads, builds and says what it claims."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tenfold.augmentation import build as build_augmentation
from tenfold.errors import UsageError
from tenfold.models import build as build_model
from tenfold.training.optimisers import build_optimizer
from tenfold.values import recipe as module
from tenfold.values.recipe import FOLDER, find_recipe, load_recipe, parse_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_it_builds_and_its_first_line_is_the_claim(name: str) -> None:
    path = find_recipe(name)
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.claim
    lines = (path.parent if path.parent.is_file() else path).read_text("utf-8").splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("# "))]
    assert 2 <= len(head) <= 4, "a recipe begins with its claim and the command that checks it"
    assert "Check: " in " ".join(head)
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
    entries = [name for name in recipe_names() if name.startswith("notebook/") and name[9:11].isdigit()]
    assert sorted(int(name[9:11]) for name in entries) == list(range(1, 53))


def test_the_package_ships_at_most_16_recipes() -> None:
    assert len(list(FOLDER.rglob("*.toml"))) <= 16


def test_a_variant_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[variant]]\nname = "a"\nmodel.layers = "FLAT SOFTMAX"\n')
    assert load_recipe(tmp_path / "mine.toml" / "a.toml").name == "a"
    with pytest.raises(UsageError, match=r"has no .*'b'"):
        load_recipe(tmp_path / "mine.toml" / "b.toml")


def test_without_a_checkout_there_are_the_shipped_recipes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAB", Path("/nowhere"))
    assert "fast" in recipe_names() and "notebook/svm" in recipe_names()
    assert "notebook/13-baseline" not in recipe_names()
