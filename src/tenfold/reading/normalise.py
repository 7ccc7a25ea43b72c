"""MNIST's own recipe: any picture of one digit -> the 28 x 28 pixels that MNIST would have made of it.

LeCun et al. 1998, "Gradient-based learning applied to document recognition", section III.A: the digit is fitted
into a box of 20 x 20 pixels, its aspect kept, with anti-aliased grey levels, and its centre of mass is put in the
middle of a field of 28 x 28. What is in that form already passes as it is.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.data.images import ImageLimits, decode_image, luma
from tenfold.data.memory import picture_of
from tenfold.data.streams import open_stream
from tenfold.errors import DataError, Problem
from tenfold.reading.ink import Ink, Polarity, ink_map, resized

Grey = NDArray[np.uint8]
"""(H, W), 0 is black."""
Picture = Any
"""What :func:`open_image` takes."""

LARGEST_FILE = 64 << 20
LIMITS = ImageLimits(
    formats=("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"),
    width=10_000,
    height=10_000,
    pixels=20_000_000,
    background=None,
)
"""A page of A4 at 400 dpi passes; what is larger is refused before a pixel of it is decoded."""
STANDARD_INPUT = "-"
_DATA_URL = re.compile(r"data:[\w/+.;=-]{0,100};base64,", re.ASCII)


def open_image(source: Picture, name: str | None = None, limits: ImageLimits = LIMITS) -> Grey:
    """The grey levels of one picture.

    The rules for formats, modes, alpha, 16 bits and EXIF rotation are those of :mod:`tenfold.data.images`;
    transparent pixels take the ground that their ink stands out from.

    Args:
        source: a path, "-" for standard input, a data URL (``data:image/png;base64,...``), an encoded
            image's bytes, one of Pillow's, or pixels (H, W), (C, H, W) or (H, W, C) of any type, as
            :mod:`tenfold.data.memory` takes them.
        name: what errors call it.
        limits: formats and sizes to accept.

    Returns:
        uint8 (H, W).

    Raises:
        DataError: not an image of an allowed format, too large, damaged or incomplete.
        ResourceError: the operating system refused.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_image(bytes(source), name or "the image", limits, channels=1)[0]
    if isinstance(source, str) and source.startswith("data:"):
        return from_base64(source, name or "the data URL", limits)
    if not isinstance(source, str | Path):
        planes = picture_of(source, name or "the picture", limits)
        return np.ascontiguousarray((planes if len(planes) == 1 else luma(planes))[0])
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise DataError(Problem("standard input", "nothing: it is closed", "an image, such as: < digit.png"))
        return decode_image(_all_of(sys.stdin.buffer), name or "standard input", limits, channels=1)[0]
    with open_stream(Path(source), LARGEST_FILE) as stream:
        return decode_image(stream.read_exactly(LARGEST_FILE), name or str(source), limits, channels=1)[0]


def from_base64(text: str, name: str = "the base64 text", limits: ImageLimits = LIMITS) -> Grey:
    """The picture in ``text``: base64 of an encoded image (RFC 4648, white space allowed), or a data URL.

    Raises:
        DataError: not base64, or see :func:`open_image`.
    """
    prefix = _DATA_URL.match(text)
    payload = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        content = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(Problem(name, f"text that is not base64 ({error})", "base64 of an image")) from error
    return decode_image(content, name, limits, channels=1)[0]


def _all_of(stream: BinaryIO) -> bytes:
    content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise DataError(Problem("standard input", f"more than {LARGEST_FILE:,} bytes", "one image"))
    return content


FIELD = 28
BOX = 20
FAINT = 0.06
"""Ink below this does not count for the bounding box."""
FULL = 250
"""Grey level that the ink of an image in MNIST's form reaches."""
_PLACES = np.arange(FIELD, dtype=np.float64)


LARGEST = 1024
"""Pixels of a side from which on a picture of one digit is reduced first: more show no more of it, and cost seconds."""


def normalise(grey: NDArray[np.uint8], polarity: Polarity = "auto") -> NDArray[np.uint8]:
    """The picture of one digit as MNIST would show it.

    Args:
        grey: uint8 (H, W): dark on light or light on dark, any size, any place.
        polarity: whether ink is "dark" or "bright"; "auto" finds out.

    Returns:
        uint8 (28, 28), bright ink on black; all 0 if the picture is blank.
    """
    return framed(grey, polarity)[0]


def framed(grey: NDArray[np.uint8], polarity: Polarity = "auto") -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As :func:`normalise`, and where the ink is: bool (H, W), of a large picture the one that it was reduced to."""
    from tenfold.reading.lines import cleaned

    grey = reduced(grey, LARGEST)
    formed = as_it_is(grey, polarity)
    if formed is not None:
        return formed, formed > FULL // 2
    found = cleaned(ink_map(grey, polarity, tight=True))
    return frame(found.ink), found.mask


def reduced(grey: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """``grey`` (H, W) averaged over squares of pixels until no side is above ``largest``; smaller ones stay."""
    factor = -(-max(grey.shape) // largest)
    return grey if factor == 1 else np.asarray(Image.fromarray(grey).reduce(factor))


def as_it_is(grey: NDArray[np.uint8], polarity: Polarity = "auto") -> NDArray[np.uint8] | None:
    """The picture itself, bright on black, if it is in MNIST's form already, as all of MNIST's images are; else None.

    That is 28 x 28 pixels, black but for a box of 20 pixels with full ink whose centre of mass is in the middle. What
    passes
    is not resampled again, and keeps what would be a speck on paper.
    """
    if grey.shape != (FIELD, FIELD):
        return None
    for levels in [grey] * (polarity != "dark") + [255 - grey] * (polarity != "bright"):
        if levels.max() < FULL:
            continue
        profiles = [levels.sum(axis=axis, dtype=np.float64) for axis in (0, 1)]
        columns, rows = (np.flatnonzero(profile) for profile in profiles)
        side = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        total = profiles[0].sum()
        middle = [float(profile @ _PLACES) / total for profile in profiles]
        if side in (BOX - 1, BOX) and all(abs(place - FIELD / 2) <= 0.53 for place in middle):
            return levels
    return None


def frame(ink: Ink) -> NDArray[np.uint8]:
    """Ink (H, W) of one digit, 0..1 -> uint8 (28, 28): crop, 20 x 20 box, full contrast, centre of mass."""
    rows, columns = np.flatnonzero((ink > FAINT).any(axis=1)), np.flatnonzero((ink > FAINT).any(axis=0))
    if not len(rows):
        return np.zeros((FIELD, FIELD), np.uint8)
    return fitted(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def fitted(crop: Ink) -> NDArray[np.uint8]:
    """As :func:`frame`, of ink that reaches all borders of its (H, W)."""
    scale = BOX / max(crop.shape)
    height, width = (max(1, round(side * scale)) for side in crop.shape)
    digit = resized(crop, height, width)
    return _centred((digit / max(_full(digit), 1e-6)).clip(0, 1))


def sheared(ink: Ink, slope: float, fixed_row: float) -> Ink:
    """Row y of (H, W) moved left by ``slope * (y - fixed_row)`` pixels, interpolated, on a canvas wide enough for
    all.
    """
    moves = -slope * (np.arange(len(ink)) - fixed_row)
    lowest = int(np.floor(moves.min()))
    canvas = np.zeros((len(ink), ink.shape[1] + int(np.ceil(moves.max())) - lowest + 1), np.float32)
    for row, move in zip(range(len(ink)), moves - lowest, strict=True):
        whole, part = int(move), move - int(move)
        canvas[row, whole : whole + ink.shape[1]] += (1 - part) * ink[row]
        canvas[row, whole + 1 : whole + 1 + ink.shape[1]] += part * ink[row]
    return canvas


def _full(digit: Ink) -> float:
    """The level of full ink: what a tenth of the visible ink exceeds."""
    visible = np.sort(digit[digit > 0.1 * digit.max()])
    place = 0.9 * (len(visible) - 1)
    low, high = float(visible[int(place)]), float(visible[math.ceil(place)])
    return low + (high - low) * (place % 1)


def _centred(digit: Ink) -> NDArray[np.uint8]:
    total = float(digit.sum())
    height, width = digit.shape
    place = []
    for length, profile in ((height, digit.sum(axis=1)), (width, digit.sum(axis=0))):
        middle = float(profile @ np.arange(length)) / total
        place.append(min(max(round(FIELD / 2 - middle), 0), FIELD - length))
    field = np.zeros((FIELD, FIELD), np.uint8)
    field[place[0] : place[0] + height, place[1] : place[1] + width] = np.rint(255 * digit)
    return field
