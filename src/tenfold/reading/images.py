"""One picture from wherever it comes, as grey levels."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tenfold.data.files import open_stream
from tenfold.data.images import ImageLimits, decode_image, luma
from tenfold.errors import DataError, Problem

Grey = NDArray[np.uint8]
"""(H, W), 0 is black."""
Picture = str | Path | bytes | NDArray[np.uint8]

LARGEST_FILE = 64 << 20
LIMITS = ImageLimits(
    formats=("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"), width=10_000, height=10_000, pixels=20_000_000, background=None
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
            image's bytes, or uint8 pixels (H, W), (H, W, 3), (1, H, W) or (3, H, W).
        name: what errors call it.
        limits: formats and sizes to accept.

    Returns:
        uint8 (H, W).

    Raises:
        DataError: not an image of an allowed format, too large, damaged or incomplete.
        ResourceError: the operating system refused.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "the array")
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_image(bytes(source), name or "the image", limits, channels=1)[0]
    if isinstance(source, str) and source.startswith("data:"):
        return from_base64(source, name or "the data URL", limits)
    if str(source) == STANDARD_INPUT:
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


def _from_array(pixels: NDArray[np.uint8], name: str) -> Grey:
    if pixels.dtype != np.uint8:
        raise DataError(Problem(name, f"{pixels.dtype} pixels", "uint8, 0..255"))
    planes = pixels[None] if pixels.ndim == 2 else pixels
    if planes.ndim == 3 and planes.shape[0] not in (1, 3) and planes.shape[2] in (1, 3):
        planes = planes.transpose(2, 0, 1)
    if planes.ndim != 3 or planes.shape[0] not in (1, 3) or 0 in planes.shape:
        raise DataError(Problem(name, f"pixels of shape {pixels.shape}", "(H, W), (H, W, 3), (1, H, W) or (3, H, W)"))
    return np.ascontiguousarray((planes if len(planes) == 1 else luma(planes))[0])
