"""Many small images as one PNG inside the page: one sheet, cells chosen by CSS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.values.thumbnails import data_uri, grid, png, shown_size


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
