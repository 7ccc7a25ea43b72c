"""Images as ink on empty ground, and what can be measured of it: how much, where, how large, how thick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
"""(N, H, W), 0 is empty ground and 1 full ink."""

BLOCK = 4096
"""Images worked on at once: keeps the float copies small."""
VISIBLE = 0.2
"""Ink from here on belongs to the bounding box: fainter pixels are noise or blur."""
BRIGHT_BORDER = 0.75
"""Where more than this share of the outermost pixels is above half, the ground is bright."""


@dataclass(frozen=True)
class InkMeasures:
    """What the ink of N images is like, each (N,) float32. Positions and sizes are shares of the image's side.

    Attributes:
        ink: share of the image that is ink, 0..1.
        x: centre of mass, from the middle of the image; right is positive.
        y: centre of mass, from the middle of the image; down is positive.
        size: longer side of the bounding box; 0 where nothing is visible.
        stroke: width of the strokes: twice the ink's area over the length of its outline.
        edge: strongest ink on the image's outermost pixels, 0..1.
    """

    ink: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    size: NDArray[np.float32]
    stroke: NDArray[np.float32]
    edge: NDArray[np.float32]


def blocks(count: int) -> Iterator[slice]:
    """0..count in slices of :data:`BLOCK`."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def is_inverted(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N,) whether an image of uint8 (N, C, H, W) has a bright ground."""
    grey = images[:, 0] if images.shape[1] == 1 else images.mean(axis=1)
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    result: NDArray[np.bool_] = (border > 127.5).mean(axis=1) > BRIGHT_BORDER
    return result


def ink(images: NDArray[np.uint8]) -> Grid:
    """uint8 (N, C, H, W) as float32 (N, H, W): channels averaged, bright grounds turned dark."""
    grey = (images[:, 0] if images.shape[1] == 1 else images.mean(axis=1)).astype(np.float32) / 255
    inverted = is_inverted(images)
    grey[inverted] = 1 - grey[inverted]
    return grey.astype(np.float32, copy=False)


def centre_of_mass(grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N,) x and (N,) y of each image's ink in pixels from the middle; 0 where there is none."""
    _, height, width = grid.shape
    mass = np.maximum(grid.sum(axis=(1, 2)), 1e-6)
    x = grid.sum(axis=1) @ (np.arange(width, dtype=np.float32) - (width - 1) / 2) / mass
    y = grid.sum(axis=2) @ (np.arange(height, dtype=np.float32) - (height - 1) / 2) / mass
    return x.astype(np.float32), y.astype(np.float32)


def measure(images: NDArray[np.uint8]) -> InkMeasures:
    """The measures of uint8 (N, C, H, W)."""
    parts = [_measure(ink(images[block])) for block in blocks(len(images))] or [_measure(ink(images))]
    return InkMeasures(*np.concatenate(parts, axis=1))


def _measure(grid: Grid) -> NDArray[np.float32]:
    """(6, N), in the order of :class:`InkMeasures`."""
    count, height, width = grid.shape
    x, y = centre_of_mass(grid)
    visible = grid >= VISIBLE
    size = np.maximum(_extent(visible.any(axis=1)) / width, _extent(visible.any(axis=2)) / height)
    area = grid.sum(axis=(1, 2))
    framed = np.pad(grid, ((0, 0), (1, 1), (1, 1)))
    across, down = np.diff(framed, axis=2)[:, :-1], np.diff(framed, axis=1)[:, :, :-1]
    outline = np.sqrt(across**2 + down**2).sum(axis=(1, 2))
    stroke = 2 * area / np.maximum(outline, 1e-6) / max(height, width)
    border = np.concatenate([grid[:, 0], grid[:, -1], grid[:, :, 0], grid[:, :, -1]], axis=1)
    edge = border.max(axis=1) if count else area
    return np.stack([area / (height * width), x / width, y / height, size, stroke, edge]).astype(np.float32)


def _extent(occupied: Any) -> NDArray[np.float64]:
    """(N,) from the first to the last place that is true in each row of bool (N, L), both counted; 0 where none is."""
    length = occupied.shape[1]
    first, last = occupied.argmax(axis=1), length - occupied[:, ::-1].argmax(axis=1)
    return np.where(occupied.any(axis=1), last - first, 0).astype(np.float64)
