"""Smaller images first: they are the same images, they cost less, and only networks that take them are let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tenfold.errors import UsageError
from tenfold.training.ensemble import check_recipe
from tenfold.training.loop import shrunk
from tenfold.training.state import load_newest, save_checkpoint
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe

SIZES = "8C3 BN 16C3 BN GAP SOFTMAX"


def with_progressive(recipe: Recipe, layers: str) -> Recipe:
    settings = recipe.model_dump()
    settings["model"] = [{"kind": "network", "layers": layers}]
    settings["train"]["progressive"] = {"size": 6, "share": 0.5}
    return Recipe.model_validate(settings)


def test_the_images_are_what_pillow_makes_of_them() -> None:
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    small = shrunk(images, 20)
    assert small.shape == (3, 1, 20, 20)
    for image, ours in zip(images[:, 0], small[:, 0], strict=True):
        theirs = np.asarray(Image.fromarray(image.numpy()).resize((20, 20), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


def test_the_first_half_sees_small_images_the_second_whole_ones(
    train: Callable[..., Any], recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    forward = torch.nn.Sequential.forward

    def watched(network: torch.nn.Sequential, images: torch.Tensor) -> torch.Tensor:
        if network.training:
            seen.append(images.shape[-1])
        return forward(network, images)

    monkeypatch.setattr(torch.nn.Sequential, "forward", watched)
    train(with_progressive(recipe, SIZES))
    half = -(-len(seen) // 2)
    assert seen == [6] * half + [8] * (len(seen) - half)


def test_a_stop_leaves_no_trace(train: Callable[..., Any], recipe: Recipe, tmp_path: Any) -> None:
    recipe = with_progressive(recipe, SIZES)
    whole = train(recipe).state.current_weights()
    save_checkpoint(tmp_path, *train(recipe, stop_at=23).saves[-1])
    again = train(recipe, go_on=load_newest(tmp_path)[0]).state.current_weights()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_network_of_one_size_is_refused_before_anything_is_trained(recipe: Recipe) -> None:
    data = Dataset(np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, 0, 1]), np.arange(4), ("0", "1"))
    check_recipe(with_progressive(recipe, SIZES), data)
    with pytest.raises(UsageError, match="GAP or GMP in the place of FLAT"):
        check_recipe(with_progressive(recipe, "8C3 BN FLAT SOFTMAX"), data)
