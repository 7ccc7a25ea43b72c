"""Many small images as one PNG inside the page: one sheet, cells chosen by CSS."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST_SIDE = 64
"""Pixels; larger images are scaled down to this side before they go onto a sheet."""


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


def shown_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) at which a (C, H, W) image goes onto a sheet."""
    _, height, width = shape
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def sheet(images: NDArray[np.uint8]) -> Sheet:
    """The images, uint8 (N, C, H, W) with N >= 1, as one sheet that is about square.

    One channel is shown as grey, three or more as RGB from the first three, two as grey from the first.
    """
    height, width = shown_size(images.shape[1:])
    columns = math.ceil(math.sqrt(len(images) * height / width))
    pixels = grid(images, columns)
    uri = "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")
    return Sheet(uri, columns, len(pixels) // height, width / height, pixels.shape[2] == 1)


def grid(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """The images side by side, row by row: uint8 (rows * height, columns * width, 1 or 3), black where none is left."""
    count, channels, _, _ = images.shape
    height, width = shown_size(images.shape[1:])
    rows = math.ceil(count / columns)
    kept = 3 if channels >= 3 else 1
    canvas = np.zeros((rows, columns, height, width, kept), dtype=np.uint8)
    for index, image in enumerate(images):
        canvas[divmod(index, columns)] = _fit(image[:kept].transpose(1, 2, 0), height, width)
    return canvas.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, kept)


def png(pixels: NDArray[np.uint8], enlarge: int = 1) -> bytes:
    """Pixels (H, W, 1 or 3) as a PNG file's content, each pixel ``enlarge`` x ``enlarge`` dots."""
    pixels = pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """``image`` (H, W, 1 or 3) at the given size."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX)).reshape(height, width, -1)
