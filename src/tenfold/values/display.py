"""Many small images as one picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHOWN, COLUMNS = 30, 10


def table(title: str, rows: Mapping[str, object]) -> str:
    """A heading and a line for each of ``rows``; everything is escaped."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(str(name))}</th><td"
        f" style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table></div>"


def picture(images: NDArray[np.uint8], description: str) -> str:
    """The first thirty of the images, uint8 (N, C, H, W), ten in a line."""
    shown = data_uri(png(grid(images[:SHOWN], COLUMNS)))
    return (
        f'<img alt="{escape(description)}" src="{shown}" style="image-rendering:pixelated;width:40em;max-width:100%">'
    )


LARGEST_SIDE = 64
"""Pixels; larger images are scaled down to this side before they go onto a sheet."""


def shown_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) at which a (C, H, W) image goes onto a sheet."""
    _, height, width = shape
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


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


def data_uri(content: bytes) -> str:
    """A PNG file's content as an address that a page can show."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """``image`` (H, W, 1 or 3) at the given size."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX)).reshape(height, width, -1)
