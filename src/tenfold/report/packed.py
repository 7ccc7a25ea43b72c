"""Arrays inside a page: deflated and in base64, which browsers unpack with what they have built in."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_BYTES = 7_500_000
"""What the thumbnails may take before base64 adds a third."""
SIDES = (32, 28, 24, 20, 16, 12, 10, 8, 6, 4)
"""Pixels; the largest side whose thumbnails fit is taken."""
_SAMPLE = 500


@dataclass(frozen=True)
class Thumbnails:
    """All images at 16 levels, small.

    Attributes:
        data: see :func:`packed`: each image is ceil(C * H * W / 2) bytes, two values a byte, the first in the high half.
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
    return _base64(_deflated(plain.astype(plain.dtype.newbyteorder("<"), copy=False).tobytes()))


def packed_text(texts: list[str]) -> str:
    """Texts without line breaks, a line each, packed likewise."""
    return _base64(_deflated("\n".join(text.replace("\n", " ") for text in texts).encode("utf-8", "replace")))


def thumbnails(images: NDArray[np.uint8], budget: int = THUMBNAIL_BYTES) -> Thumbnails:
    """uint8 (N, C, H, W), N >= 1, at the largest size at which all of them fit into ``budget`` bytes.

    Two channels are shown as grey from the first, more than three as RGB from the first three.
    """
    kept = images[:, : 3 if images.shape[1] >= 3 else 1]
    sample = kept[:: max(1, len(kept) // _SAMPLE)]
    for side in SIDES:
        small = _fitted(sample, side)
        size = len(_deflated(_halved(small).tobytes())) / len(sample) * len(kept)
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


def _deflated(content: bytes) -> bytes:
    return zlib.compress(content, 6)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
