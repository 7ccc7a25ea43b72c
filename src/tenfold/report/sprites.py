"""Many small images as one PNG inside the page: one sheet, cells chosen by CSS; an image as augmentation changes it."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.values.display import data_uri, grid, png, shown_size
from tenfold.values.recipe import AugmentSettings

LIGHT = ("#332288", "#4aa8d8", "#2f9c8b", "#117733", "#cc6677", "#c4a22f", "#8f8f26", "#aa4499", "#882255", "#777777")
DARK = ("#8f86f5", "#88ccee", "#44bba6", "#4fae6a", "#ee8090", "#e6d27a", "#b9b945", "#d478c6", "#c9477f", "#b5b5b5")
"""Hexadecimal RGB, one a class."""


def colours(classes: int, scheme: tuple[str, ...] = LIGHT) -> list[str]:
    """A colour for each class."""
    return [scheme[label % len(scheme)] for label in range(classes)]


FOR = np.array([255, 150, 60], dtype=np.float64)
AGAINST = np.array([70, 160, 255], dtype=np.float64)
FADED = 0.4
"""How strong the image itself is below its heat."""

STRONGEST = 0.98
"""Share of the pixels that are below full colour."""


def heat(values: NDArray[np.floating], limit: float | None = None) -> NDArray[np.uint8]:
    """uint8 (..., 3, H, W) for values (..., H, W): full colour at ``limit``, by default the largest of all of them."""
    limit = float(np.abs(values).max(initial=0)) if limit is None else limit
    strength = np.clip(values / (limit or 1), -1, 1)[..., None, :, :]
    hue = np.where(strength > 0, FOR[:, None, None], AGAINST[:, None, None])
    return (np.abs(strength) * hue).round().astype(np.uint8)


def over(image: NDArray[np.uint8], values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """uint8 (3, H, W): the heat of ``values`` (H, W) over ``image`` (C, H, W), which is pale grey on white paper.

    One or two channels are ink: dark where they are large. Three are light.
    """
    level = image.astype(np.float64).mean(axis=0)
    paper = 255.0 - FADED * (level if len(image) < 3 else 255.0 - level)
    limit = float(np.quantile(np.abs(values), STRONGEST)) or 1.0  # a few pixels must not outshine the rest
    strength = np.clip(np.abs(values) / limit, 0, 1)
    return (heat(values, limit) + paper * (1 - strength)).round().astype(np.uint8)


def tiles(maps: NDArray[np.floating], columns: int) -> NDArray[np.uint8]:
    """Maps (C, H, W) side by side, a dark grey line between them: uint8 (rows, columns, 3).

    Maps without negative values are white on black, others orange and blue; all share one scale.
    """
    count, height, width = maps.shape
    rows = -(-count // columns)
    if (maps < 0).any():
        pictures = heat(maps).transpose(0, 2, 3, 1)
    else:
        top = float(maps.max(initial=0)) or 1.0
        pictures = np.repeat((maps / top * 255).round().astype(np.uint8)[..., None], 3, axis=3)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 56, np.uint8)
    for place, picture in enumerate(pictures):
        top_row, left = (place // columns) * (height + 1), (place % columns) * (width + 1)
        canvas[top_row : top_row + height, left : left + width] = picture
    return canvas


@dataclass(frozen=True)
class Sheet:
    """A PNG that holds images as the cells of a grid, row by row.

    Attributes:
        uri: the PNG as a ``data:`` address.
        columns, rows: size of the grid, in cells.
        aspect: width / height of one cell.
        is_grey: whether the images have one channel.
    """

    uri: str
    columns: int
    rows: int
    aspect: float
    is_grey: bool

    def cell(self, index: int) -> str:
        """CSS variables that select image number ``index``: its place as percentages of ``background-position``."""
        row, column = divmod(index, self.columns)
        x = 100 * column / max(self.columns - 1, 1)
        y = 100 * row / max(self.rows - 1, 1)
        return f"--x:{x:.6g}%;--y:{y:.6g}%"


def sheet(images: NDArray[np.uint8]) -> Sheet:
    """The images, uint8 (N, C, H, W) with N >= 1, as one sheet that is about square.

    One channel is shown as grey, three or more as RGB from the first three, two as grey from the first.
    """
    height, width = shown_size(images.shape[1:])
    columns = math.ceil(math.sqrt(len(images) * height / width))
    pixels = grid(images, columns)
    return Sheet(data_uri(png(pixels)), columns, len(pixels) // height, width / height, pixels.shape[2] == 1)


THUMBNAIL_BYTES = 7_500_000
"""What the thumbnails may take before base64 adds a third."""
SIDES = (32, 28, 24, 20, 16, 12, 10, 8, 6, 4)
"""Pixels; the largest side whose thumbnails fit is taken."""
_SAMPLE = 500


@dataclass(frozen=True)
class Thumbnails:
    """All images at 16 levels, small.

    Attributes:
        data: see :func:`packed`: each image is ceil(C * H * W / 2) bytes, two values a byte, the first in the high
            half.
        channels: 1 or 3.
        height: in pixels.
        width: in pixels.
    """

    data: str
    channels: int
    height: int
    width: int


def packed(array: NDArray[Any]) -> str:
    """The bytes of an array in row order, little-endian, deflated (zlib), in base64."""
    plain = np.ascontiguousarray(array)
    return _packed(plain.astype(plain.dtype.newbyteorder("<"), copy=False).tobytes())


def packed_text(texts: list[str]) -> str:
    """Texts without line breaks, a line each, packed in the same way."""
    return _packed("\n".join(text.replace("\n", " ") for text in texts).encode("utf-8", "replace"))


def thumbnails(images: NDArray[np.uint8], budget: int = THUMBNAIL_BYTES) -> Thumbnails:
    """uint8 (N, C, H, W), N >= 1, at the largest size at which all of them fit into ``budget`` bytes.

    Two channels are shown as grey from the first, more than three as RGB from the first three.
    """
    kept = images[:, : 3 if images.shape[1] >= 3 else 1]
    sample = kept[:: max(1, len(kept) // _SAMPLE)]
    for side in SIDES:
        small = _fitted(sample, side)
        size = len(zlib.compress(_halved(small).tobytes(), 6)) / len(sample) * len(kept)
        if size <= budget or side == SIDES[-1]:
            break
    _, channels, height, width = small.shape
    return Thumbnails(packed(_halved(_fitted(kept, side))), channels, height, width)


def _fitted(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Images whose longer side is at most ``side`` pixels."""
    _, channels, height, width = images.shape
    scale = side / max(height, width)
    if scale >= 1:
        return images
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = images.reshape(-1, height, width)
    small = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX)) for plane in planes]
    return np.stack(small).reshape(len(images), channels, size[1], size[0])


def _halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, ceil(D / 2)): 16 levels of D values, two a byte."""
    values = images.reshape(len(images), -1).astype(np.uint16)
    levels = np.pad((values * 15 + 127) // 255, ((0, 0), (0, values.shape[1] % 2))).astype(np.uint8)
    return ((levels[:, ::2] << 4) | levels[:, 1::2]).astype(np.uint8)


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


COUNT = 50
"""How many variants are shown where nobody says another number."""


def variants(
    image: NDArray[np.uint8], steps: Sequence[AugmentSettings], seed: int, count: int = COUNT
) -> NDArray[np.uint8]:
    """``count`` augmented copies (N, C, H, W) of ``image`` (C, H, W).

    Args:
        image: 0..255.
        steps: a recipe's augmentations.
        seed: decides the draws.
        count: N.

    Raises:
        UsageError: an augmentation is unknown or has wrong settings.
    """
    import torch

    from tenfold.augmentation import build
    from tenfold.training.loop import to_input
    from tenfold.training.state import generator

    batch = to_input(torch.from_numpy(image[None].copy())).repeat(count, 1, 1, 1)
    changed = build(steps)(batch, generator(seed, "previews"))
    return changed.mul(255).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
