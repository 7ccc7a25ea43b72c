"""A small real training: scikit-learn's 8x8 digits and a net that learns them in a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tenfold.augmentation import build as build_augmentation
from tenfold.errors import Stopped
from tenfold.training.loop import Rows, fit
from tenfold.training.member import new_state
from tenfold.training.state import TrainingState, prepare
from tenfold.values.recipe import Recipe, parse_recipe

CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    prepare(CPU)  # as in a worker; several threads beside other processes wait for each other


SMALL = """
seed = 5
[data]
validation = 0.2
[model]
layers = "8C3 BN MP2 16C3 BN FLAT D20 SOFTMAX"
[[augment]]
kind = "affine"
rotation = 5
shift = 0.5
[train]
epochs = 3
batch_size = 64
learning_rate = 0.01
weight_average = 0.5
label_smoothing = 0.05
"""


@pytest.fixture(scope="session")
def digits() -> tuple[Rows, Rows]:
    """(1,000 training rows, 797 held-out rows)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy((data.images * 255 / 16).astype(np.uint8)[:, None])
    labels = torch.from_numpy(data.target.astype(np.int64))
    return Rows(images[:1000], labels[:1000]), Rows(images[1000:], labels[1000:])


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(SMALL)


class Trained:
    """A training and what it said."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self.events: list[dict[str, Any]] = []
        self.saves: list[tuple[Any, Any]] = []
        self.stopped = False


@pytest.fixture
def train(digits: tuple[Rows, Rows]) -> Callable[..., Trained]:
    """Train ``recipe``; ``go_on`` is a packed state, ``stop_at`` the number of steps after which to stop."""

    def run(
        recipe: Recipe, member: int = 0, go_on: Any = None, stop_at: int | None = None, held: Rows | None = None
    ) -> Trained:
        state = new_state(recipe, member, (1, 8, 8), 10, CPU)
        if go_on is not None:
            state.unpack(*go_on)
        trained, asked = Trained(state), iter(range(10**9))
        try:
            fit(
                state,
                digits[0],
                digits[1] if held is None else held,
                recipe,
                member,
                build_augmentation(recipe.augment),
                save=lambda: trained.saves.append(snapshot(state)),
                emit=trained.events.append,
                should_stop=lambda: stop_at is not None and next(asked) == stop_at,
            )
        except Stopped:
            trained.stopped = True
        return trained

    return run


def snapshot(state: TrainingState) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors, position = state.pack()
    return {name: tensor.clone() for name, tensor in tensors.items()}, position
