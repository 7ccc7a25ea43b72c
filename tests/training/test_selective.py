"""Selective backprop: the hardest images are found, and only they are learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tenfold.training.loop import hardest
from tenfold.values.recipe import Recipe


class Told(nn.Module):
    """Logits that an image states itself: its level is the confidence in class 0."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        level = images.mean(dim=(1, 2, 3))
        return torch.stack([level, torch.zeros_like(level)], 1)


def test_the_largest_losses_in_the_order_in_which_they_stood() -> None:
    images = torch.tensor([5.0, 0.1, 3.0, 0.2, 9.0])[:, None, None, None].expand(5, 1, 2, 2)
    network = Told().train()
    chosen, labels = hardest(network, images, torch.tensor([0, 0, 0, 0, 1]), 0.6)
    assert chosen[:, 0, 0, 0].tolist() == pytest.approx([0.1, 0.2, 9.0])
    assert labels.tolist() == [0, 0, 1]
    assert network.training


@pytest.mark.parametrize(("share", "count"), [(1.0, 10), (0.5, 5), (0.34, 3), (0.001, 1)])
def test_the_share_decides_how_many(share: float, count: int) -> None:
    assert len(hardest(Told(), torch.rand(10, 1, 2, 2), torch.zeros(10, dtype=torch.int64), share)[1]) == count


def test_looking_changes_nothing() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2)
    ).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images, random_state = torch.rand(6, 1, 4, 4), torch.get_rng_state()
    hardest(network, images, torch.zeros(6, dtype=torch.int64), 0.5)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def with_selective(recipe: Recipe, **selective: Any) -> Recipe:
    train = recipe.train.model_dump() | {"selective": selective, "optimizer": "sgd", "label_smoothing": 0.0}
    return Recipe.model_validate(recipe.model_dump() | {"train": train})


def bits(trained: Any) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in trained.state.current_weights().items()}


def test_it_learns_begins_when_told_and_says_what_it_learnt_from(train: Callable[..., Any], recipe: Recipe) -> None:
    all_images, half = (
        train(with_selective(recipe, share=1.0, after=0)),
        train(with_selective(recipe, share=0.5, after=1)),
    )
    first, second, third = half.state.position.history
    assert first == all_images.state.position.history[0]
    assert third["validation_accuracy"] > 0.8
    for row, of_all in ((second, 1), (third, 2)):  # hard images have larger losses
        assert row["train_loss"] > all_images.state.position.history[of_all]["train_loss"]
        assert 0 <= row["train_accuracy"] < all_images.state.position.history[of_all]["train_accuracy"]


def test_a_share_of_everything_is_everything(train: Callable[..., Any], recipe: Recipe) -> None:
    late = with_selective(recipe, share=0.5, after=99)
    assert bits(train(late)) == bits(train(with_selective(recipe, share=1.0, after=0)))


def test_an_interruption_leaves_no_trace(train: Callable[..., Any], recipe: Recipe) -> None:
    recipe = with_selective(recipe, share=0.4, after=1)
    interrupted = train(recipe, stop_at=25)
    assert interrupted.stopped
    assert bits(train(recipe, go_on=interrupted.saves[-1])) == bits(train(recipe))
