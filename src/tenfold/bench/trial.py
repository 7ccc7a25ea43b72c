"""What is measured: a member in training, ready to make a step or a prediction."""

from __future__ import annotations

from itertools import cycle

import torch

from tenfold.augment import build as build_augmentation
from tenfold.bench.stages import augmentation_mark
from tenfold.errors import UsageError
from tenfold.models.fitted import Fitted
from tenfold.training.device import prepare
from tenfold.training.loop import predict_proba, to_input, train_step
from tenfold.training.member import new_state
from tenfold.training.seeding import generator
from tenfold.values.recipe import parse_recipe

CLASSES = 10
TORCH_BATCH = 256


class Trial:
    """A recipe's first member with made-up data to train on and to predict.

    Args:
        recipe: as TOML.
        image_shape: [C, H, W].
        batch: images in a training step; None is the recipe's.

    Raises:
        UsageError: the first member is not trained in steps.

    Attributes:
        images: uint8 (N, C, H, W), with as much ink as digits have.
        labels: int64 (N,), without any relation to the images.
    """

    def __init__(self, recipe: str, image_shape: list[int], batch: int | None) -> None:
        device = torch.device("cpu")
        prepare(device)
        self.recipe = parse_recipe(recipe)
        self.batch = batch or self.recipe.train.batch_size
        c, h, w = image_shape
        self.shape = (c, h, w)
        self.state = new_state(self.recipe, 0, self.shape, CLASSES, device)
        if isinstance(self.state.network, Fitted):
            raise UsageError(f"bench measures steps of training, and {self.recipe.name!r} is fitted at once; try: tenfold run")
        draw = generator(self.recipe.seed, "bench")
        count = max(4 * self.batch, TORCH_BATCH)
        ink = torch.rand(count, *self.shape, generator=draw) < 0.2
        self.images = torch.randint(1, 256, ink.shape, generator=draw).mul(ink).to(torch.uint8)
        self.labels = torch.randint(CLASSES, (count,), generator=draw)
        self._augment = build_augmentation(self.recipe.augment)
        self._starts = cycle(range(0, count - self.batch + 1, self.batch))
        self._draw = draw

    def step(self) -> int:
        """One training step, as a member's; the images it took."""
        rows = slice(start := next(self._starts), start + self.batch)
        images = to_input(self.images[rows])
        with augmentation_mark():
            images = self._augment(images, self._draw)
        train_step(self.state, images, self.labels[rows], 1e-4, self.recipe.train)
        return self.batch

    def predict(self) -> int:
        """One batch predicted with torch; the images it had."""
        return len(predict_proba(self.state.network, self.images[:TORCH_BATCH], batch=TORCH_BATCH))
