"""Pruning: only what is known is left out, what stays counts for it, and a stop leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tenfold.training import loop
from tenfold.training.loop import kept
from tenfold.training.state import generator, load_newest, save_checkpoint
from tenfold.values.recipe import Pruning, Recipe


def with_pruning(recipe: Recipe, **settings: float) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | {"train": recipe.train.model_dump() | {"pruning": settings}})


def test_only_images_with_a_loss_below_the_mean_are_left_out() -> None:
    losses = torch.cat([torch.full((900,), 0.1), torch.full((90,), 5.0), torch.full((10,), float("inf"))])
    rows, weights = kept(losses, Pruning(share=0.6), generator("test"))
    assert set(range(900, 1000)) <= set(rows.tolist())
    assert 300 < (rows < 900).sum() < 420
    assert weights[:900].unique().tolist() == pytest.approx([2.5])
    assert weights[900:].unique().tolist() == [1.0]


def test_gradients_stay_what_they_were_on_average() -> None:
    losses = torch.rand(2000, generator=generator("losses"))
    values = torch.rand(2000, generator=generator("values")) + losses
    sums = []
    for draw in range(200):
        rows, weights = kept(losses, Pruning(share=0.5), generator("draw", draw))
        sums.append(float((values[rows] * weights[rows]).sum()))
    assert torch.tensor(sums).mean() == pytest.approx(float(values.sum()), rel=0.01)


def test_before_anything_is_known_nothing_is_left_out() -> None:
    rows, weights = kept(torch.full((50,), float("inf")), Pruning(), generator("test"))
    assert rows.tolist() == list(range(50))
    assert weights.unique().tolist() == [1.0]


def test_epochs_shrink_and_the_last_is_whole(
    train: Callable[..., Any], recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: dict[int, int] = {}
    step = loop.train_step

    def counted(state: Any, images: torch.Tensor, *arguments: Any) -> torch.Tensor:
        learnt[state.position.epoch] = learnt.get(state.position.epoch, 0) + len(images)
        return step(state, images, *arguments)

    monkeypatch.setattr(loop, "train_step", counted)
    trained = train(with_pruning(recipe, share=0.8, until=0.6)).state
    assert learnt[0] == learnt[2] == 1000 // 64 * 64
    assert learnt[1] < 0.7 * learnt[0]
    assert trained.position.history[-1]["validation_accuracy"] > 0.75


@pytest.mark.parametrize("stop_at", [3, 17, 22, 25, 33])
def test_a_stop_anywhere_leaves_no_trace(
    train: Callable[..., Any], recipe: Recipe, stop_at: int, tmp_path: Any
) -> None:
    recipe = with_pruning(recipe, share=0.5)
    whole = train(recipe).state
    interrupted = train(recipe, stop_at=stop_at)
    assert interrupted.stopped
    save_checkpoint(tmp_path, *interrupted.saves[-1])
    resumed = train(recipe, go_on=load_newest(tmp_path)[0]).state
    assert torch.equal(resumed.losses, whole.losses)
    assert all(torch.equal(resumed.current_weights()[name], tensor) for name, tensor in whole.current_weights().items())


def test_an_epoch_that_pruning_would_leave_without_a_step_learns_from_all(
    train: Callable[..., Any], recipe: Recipe
) -> None:
    small = recipe.model_copy(update={"train": recipe.train.model_copy(update={"batch_size": 512})})
    trained = train(with_pruning(small, share=0.99, until=1.0)).state
    assert len(trained.position.history) == small.train.epochs
