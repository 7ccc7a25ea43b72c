"""Corrupted images, in five severities, which say how robust a model is that is good on clean digits.

Names and strengths are those of N. Mu and J. Gilmer, "MNIST-C: a robustness benchmark for computer vision", 2019
(arXiv:1906.02337), wherever it has the corruption; strengths in pixels there are for 28 x 28 and grow with the
image here. Its released set has fifteen, each in one severity. A corruption is a function with the decorator
:func:`corruption` in a file of this folder; other packages name theirs as entry points of the group
``tenfold.evaluation.corruptions``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import UsageError
from tenfold.registry import Entries

Pixels = NDArray[np.float32]
"""(N, C, H, W), 0..1."""
Change = Callable[[Pixels, int, np.random.Generator], Pixels]
"""(images, severity 1..5, generator) -> images, which may leave 0..1."""

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One way in which images get worse.

    Attributes:
        change: what it does.
        released: its severity in MNIST-C's released set; None if it is not there. ``stripe`` and ``canny_edges``, which
            have no severities there, have that form at this one here.
        in_mnist_c: whether MNIST-C has it at all.
    """

    change: Change
    released: int | None = None
    in_mnist_c: bool = True

    @property
    def description(self) -> str:
        """A line about it."""
        return (self.change.__doc__ or "").partition("\n")[0]


CORRUPTIONS: Entries[Corruption] = Entries(__name__, "corruption")


def corruption(*, released: int | None = None, in_mnist_c: bool = True) -> Callable[[Change], Change]:
    """Register the function below as the corruption of its name; see :class:`Corruption`."""

    def register(change: Change) -> Change:
        CORRUPTIONS.add(change.__name__, Corruption(change, released, in_mnist_c))
        return change

    return register


def released_severities() -> dict[str, int]:
    """The corruptions of MNIST-C's released set, and the severity of each."""
    return {name: some.released for name, some in CORRUPTIONS.load().items() if some.released is not None}


def corrupt(images: NDArray[np.uint8], name: str, severity: int, seed: int = 0) -> NDArray[np.uint8]:
    """``images``, uint8 (N, C, H, W), after the corruption ``name``; the same seed, the same bits.

    Raises:
        UsageError: no such corruption, or a severity other than 1..5.
    """
    some = CORRUPTIONS[name]
    if severity not in SEVERITIES:
        raise UsageError(f"found severity {severity}, expected 1 to 5")
    if not images.size:
        return images.copy()
    generator = np.random.default_rng([seed, *name.encode()])  # every severity draws the same numbers
    changed = some.change(images.astype(np.float32) / np.float32(255), severity, generator)
    return np.rint(changed.clip(0, 1) * 255).astype(np.uint8)


USUAL_SIDE = 28
"""Strengths in pixels are meant for images of this side."""


def pixels_of(images: Pixels, length: float) -> float:
    """``length`` pixels of a 28 x 28 image, in pixels of these images (N, C, H, W)."""
    return length * max(images.shape[2:]) / USUAL_SIDE


def affine(images: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    """Read at ``matrix`` (2, 2) times the place (x, y) seen from the centre; bilinear, black outside."""
    height, width = images.shape[2:]
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    columns, rows = np.tensordot(matrix, np.stack([x, y]), 1)
    return sample(images, rows + (height - 1) / 2, columns + (width - 1) / 2)


def sample(images: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Pixels:
    """(N, C, H, W) with pixel (i, j) read at (rows[i, j], columns[i, j]); bilinear, black outside."""
    count, channels, height, width = images.shape
    flat = images.reshape(count * channels, height * width)
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    result = np.zeros_like(flat)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            weight = (1 - np.abs(rows - row)) * (1 - np.abs(columns - column))
            weight = np.where((row >= 0) & (row < height) & (column >= 0) & (column < width), weight, 0).astype(
                np.float32
            )
            place = row.clip(0, height - 1) * width + column.clip(0, width - 1)
            result += flat[:, place.ravel()] * weight.ravel()
    return result.reshape(images.shape)


def smooth(images: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur of ``sigma`` pixels along both axes; the border pixels go on outside."""
    reach = max(1, round(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (2, 3):
        size = images.shape[axis]
        # row i of the product with this (size, size) matrix is the blurred line's pixel i
        line = np.zeros((size, size), np.float32)
        for offset, tap in zip(range(-reach, reach + 1), taps, strict=True):
            line[np.arange(size), (np.arange(size) + offset).clip(0, size - 1)] += tap
        images = np.moveaxis(np.moveaxis(images, axis, -1) @ line.T, -1, axis)
    return np.ascontiguousarray(images)


def either_way(count: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) a coin toss for each image."""
    return generator.random(count) < 0.5
