"""A recipe fitted to the data it meets: layers for the images, shifts for their size, steps for the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, TrainSettings

Shape = tuple[int, int, int]
WRITTEN_FOR: Shape = (1, 28, 28)
"""The images (C, H, W) that the layers of tenfold's recipes are written for."""
LEAST_STEPS = 900
"""Steps of a network's training, at least, where the recipe fits its steps."""
FEW_STEPS = 300
"""A training of fewer says so: a network has hardly begun to learn."""
SMALLEST_BATCH = 16
STEPS_AN_EPOCH = 32
"""With fewer the batch is halved, down to the smallest."""
MOST_EPOCHS = 150
EMPTY_BORDER = 0.01
"""Share of all ink: a border with less may be cut off. Of MNIST's, 2 pixels wide, it is 0.0024."""
SAMPLE = 2000
"""Rows, at most, whose borders are looked at."""


def fitted(recipe: Recipe, train: Dataset) -> tuple[Recipe, str]:
    """The recipe with what its ``fit`` names suited to ``train``, and a line for people that says what was fitted.

    Layers, shifts, batch and epochs stay where the recipe suits the data: 28x28 pixels, one channel, an empty border
    and rows enough. Augmentations are never added: a mirrored digit is none, and a colour may be the class.

    Returns:
        The recipe, whose ``fit`` is empty now, and the line; the line is empty where nothing had to change.
    """
    said, changed = [], dict[str, Any](fit=())
    written = recipe.model[0].settings.get("layers")
    if "layers" in recipe.fit and (layers := layers_for(str(written), train)) != written:
        changed["model"] = (recipe.model[0].model_copy(update={"layers": layers}),)
        said.append(f"layers {layers}")
    if "shift" in recipe.fit and (side := min(train.image_shape[1:])) != WRITTEN_FOR[1]:
        scaled = [_scaled(settings, side / WRITTEN_FOR[1]) for settings in recipe.augment]
        changed["augment"] = tuple(settings for settings, _ in scaled)
        said += [f"shifts of at most {shift:g} pixels" for _, shift in scaled if shift is not None]
    rows = rows_that_train(recipe, len(train))
    if "steps" in recipe.fit and steps_of(recipe.train, rows) < LEAST_STEPS:
        settings = changed["train"] = enough_steps(recipe.train, rows)
        steps = steps_of(settings, rows)
        said.append(f"batches of {settings.batch_size}, {settings.epochs} epochs ({steps:,} steps)")
    if said:
        changed |= {"claim": "", "expected": {}, "fitted_from": recipe.key()}
    c, h, w = train.image_shape
    line = f"{recipe.name} fitted to {rows:,} rows of {c}x{h}x{w}: {', '.join(said)}" if said else ""
    return recipe.model_copy(update=changed), line


def rows_that_train(recipe: Recipe, rows: int) -> int:
    """How many of ``rows`` each member learns from, about."""
    data = recipe.data
    used = min(rows, data.limit or rows)
    return max(1, round(used * (1 - data.validation) * (1 - data.holdout) * data.bag))


def steps_of(settings: TrainSettings, rows: int) -> int:
    """Steps of a network's whole training on ``rows``."""
    return settings.epochs * max(1, rows // (settings.batch_size * settings.replicas))


def enough_steps(settings: TrainSettings, rows: int) -> TrainSettings:
    """``settings`` with smaller batches where rows are few, and with epochs for :data:`LEAST_STEPS`."""
    batch = settings.batch_size
    while batch > SMALLEST_BATCH and rows // (batch * settings.replicas) < STEPS_AN_EPOCH:
        batch //= 2
    smaller = settings.model_copy(update={"batch_size": batch})
    an_epoch = steps_of(smaller, rows) // settings.epochs
    epochs = min(MOST_EPOCHS, max(settings.epochs, -(-LEAST_STEPS // an_epoch)))
    return smaller.model_copy(update={"epochs": epochs})


def few_steps(recipe: Recipe, rows: int) -> str:
    """A line that says that ``rows`` make too few steps for a network, and what to do; empty where they are enough."""
    learnt = rows_that_train(recipe, rows)
    steps = steps_of(recipe.train, learnt)
    networks = any(settings.kind == "network" for settings in recipe.model)
    if not networks or steps >= FEW_STEPS or recipe.train.replicas > 1:
        return ""
    more = enough_steps(recipe.train, learnt)
    found = f"{recipe.train.epochs} epochs of {learnt:,} rows in batches of {recipe.train.batch_size}"
    return (
        f"note: only {steps:,} steps of training ({found}), and a network needs {FEW_STEPS} or more; try: "
        f"--set train.batch_size={more.batch_size} --set train.epochs={more.epochs}"
    )


def like_digits(train: Dataset) -> bool:
    """Whether images are such as the recipes are written for: 28x28 pixels in one channel, and an empty border."""
    sample = train.images[:: max(1, len(train) // SAMPLE)]
    return train.image_shape == WRITTEN_FOR and border_ink(sample, 2) <= EMPTY_BORDER


def layers_for(layers: str, train: Dataset) -> str:
    """Layers for images like those of ``train``: ``layers`` where they were written for such, else others."""
    if train.image_shape != WRITTEN_FOR:
        return layers_for_size(train.image_shape)
    cropped = re.search(r"\bCROP(\d+) ", layers)
    if cropped and border_ink(train.images[:: max(1, len(train) // SAMPLE)], int(cropped[1])) > EMPTY_BORDER:
        return layers.replace(cropped[0], "").replace("DESKEW ", "")  # images that fill their frame are no handwriting
    return layers


def layers_for_size(shape: Shape) -> str:
    """Convolutions in pairs for images (C, H, W) of any size, halved until some 8 pixels are left; borders are kept."""
    _, height, width = shape
    if min(height, width) < 4:
        return "FLAT 256 BN D20 256 BN SOFTMAX"
    words = []

    def halve() -> None:
        nonlocal height, width
        height, width = (height + 1) // 2, (width + 1) // 2

    while min(height, width) > 56:
        words.append("24C5S2 BN")
        halve()
    words.append("32C3S2 BN 32C3 BN" if min(height, width) > 20 else "32C3 BN 32C3 BN")
    if min(height, width) > 20:
        halve()
    for channels in _widths(min(height, width)):
        words.append(f"MP2 {channels}C3 BN {channels}C3 BN")
        height, width = height // 2, width // 2
    words.append("FLAT" if height * width <= 100 else "GAP")
    return " ".join([*words, "D20 SOFTMAX"])


def _widths(side: int) -> Iterable[int]:
    """Channels after each halving of ``side`` pixels."""
    return (64,) if side <= 16 else (64, 96)


def border_ink(images: NDArray[np.uint8], pixels: int) -> float:
    """Share of the ink of ``images`` (N, C, H, W) that lies within so many pixels of their border.

    Ink is what differs from the brightness that most border pixels have.
    """
    ink = np.abs(images.astype(np.int16) - int(np.median(images[:, :, :pixels, :]))).astype(np.float64)
    inside = ink[:, :, pixels:-pixels, pixels:-pixels].sum()
    return float(1 - inside / max(ink.sum(), 1.0))


def _scaled(settings: Any, factor: float) -> tuple[Any, float | None]:
    """An augmentation whose shift, in pixels, is ``factor`` times as far, and that shift; None where it has none."""
    if not isinstance(shift := settings.settings.get("shift"), int | float) or isinstance(shift, bool):
        return settings, None
    scaled = round(shift * factor, 1)
    return settings.model_copy(update={"shift": scaled}), scaled
