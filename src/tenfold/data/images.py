"""One image file's bytes -> a uint8 array, or an error that says why not.

The bytes are hostile until shown otherwise: the format is recognised by its signature and looked up
in an allow-list, the size is read from the header before a pixel is decoded, PNG checksums are
verified, and a picture that cannot be decoded to its last row is refused.

How each Pillow mode becomes grey (C = 1) or RGB (C = 3) levels of 0..255:

======================  =======  ==================================================================
mode                    C        rule
======================  =======  ==================================================================
``1``                   1        0 and 255
``L``                   1        as it is
``I;16``, ``I``         1        0..65535 scaled, ``round(v / 257)``; other values are refused
``F``                   1        0..1 scaled, ``round(255 v)``; other values are refused
``LA``, ``La``          1        alpha composed on the background
``P``, ``PA``           1 or 3   looked up in the palette; 1 if every colour in use is grey
``RGB``                 3        as it is (16-bit PNG: the high byte)
``RGBA``, ``RGBa``      3        alpha composed on the background
``CMYK``, ``YCbCr``     3        converted to RGB
======================  =======  ==================================================================

A transparent colour (PNG ``tRNS``, GIF) counts as alpha. Asking for another number of channels
converts by ITU-R 601 (RGB to grey) or by repetition (grey to RGB). EXIF orientation is applied, and
of an animation the first frame is taken.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tenfold.data.streams import looks_like, open_stream
from tenfold.data.whole import insist_on_scans, lost_of
from tenfold.errors import DataError, Problem

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF", "PDF"),
    (b"\0\0\1\0", "ICO"),
    (b"8BPS", "PSD"),
    (b"PK\3\4", "ZIP"),
    (b"\x1f\x8b", "gzip"),
)
_PNG_SIGNATURE = _SIGNATURES[0][0]
LARGEST_FILE = 128 * 1024**2
"""Bytes of one image file; the largest picture the decoder accepts is smaller, even uncompressed."""


@dataclass(frozen=True)
class ImageLimits:
    """What :func:`decode_image` accepts.

    Attributes:
        formats: allowed formats, of PNG, JPEG, BMP, GIF, WEBP and TIFF.
        width: most pixels across.
        height: most pixels down.
        pixels: most of them together.
        background: grey level, 0..255, behind transparent pixels; None is black behind a picture that is
            bright in the mean, and white behind a dark one.
        strict_png: refuse a PNG without its closing chunk, or with anything behind it.
    """

    formats: tuple[str, ...] = ("PNG", "JPEG", "BMP", "GIF")
    width: int = 4096
    height: int = 4096
    pixels: int = 4096 * 4096
    background: int | None = None
    strict_png: bool = False


DEFAULT_LIMITS = ImageLimits()


def decode_image(
    data: bytes, name: str, limits: ImageLimits = DEFAULT_LIMITS, *, channels: int | None = None
) -> NDArray[np.uint8]:
    """The pixels of an encoded image, by the rules at the top of this module.

    Args:
        data: the content of the file.
        name: what errors call it.
        limits: formats and sizes to accept.
        channels: 1 for grey, 3 for RGB, None for what the file holds.

    Returns:
        uint8 (C, H, W).

    Raises:
        DataError: not an allowed format, too large, damaged or incomplete.
    """
    format_name = _allowed_format(data, name, limits)
    if format_name == "PNG":
        ending = png_ending(data, name)
        if ending and limits.strict_png:
            raise DataError(Problem(name, ending, "a PNG that ends with its IEND chunk", hint="save the image again"))
    try:
        with warnings.catch_warnings():
            # only Pillow's own remarks, all of which are either errors below or of no consequence
            warnings.filterwarnings("ignore", module=r"PIL\.")
            image = _open(data, format_name)
            check_size(image.size, name, limits)
            insist_on_scans(data, format_name)
            image.load()
            if (lost := lost_of(data, image, format_name)) is not None:
                raise DataError(Problem(name, lost, "a complete image", hint="copy or save it again"))
            pixels = levels_of(ImageOps.exif_transpose(image), limits.background)
    except (DataError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # Pillow's parsers raise whatever they stumble over: OSError, SyntaxError, struct.error ...
        reason = str(error) or type(error).__name__
        raise DataError(
            Problem(
                name,
                f"a {format_name} file that cannot be decoded ({reason})",
                "a complete image",
                hint="save it again",
            )
        ) from error
    return np.ascontiguousarray(with_channels(pixels, channels))


def load_image(path: Path, channels: int | None = None) -> NDArray[np.uint8]:
    """One image file as uint8 (C, H, W); ``channels`` is 1, 3, or None for what the file holds.

    Raises:
        DataError: not an image of an allowed format, too large, damaged or incomplete.
        ResourceError: the operating system refused.
    """
    with open_stream(path, LARGEST_FILE) as stream:
        return decode_image(stream.read_exactly(LARGEST_FILE), str(path), channels=channels)


def image_size(data: bytes, name: str, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """(width, height) as the header of an encoded image says; no pixel is decoded, and no size refused.

    Raises:
        DataError: not an allowed format, or no header that can be read.
    """
    format_name = _allowed_format(data, name, limits)
    if (
        format_name == "PNG" and data[12:16] == b"IHDR" and len(data) >= 24
    ):  # where it always is: Pillow reads much more
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            return _open(data, format_name).size
    except MemoryError:
        raise
    except Exception as error:  # see above
        raise DataError(
            Problem(name, f"a {format_name} file without a readable header", "a complete image", hint="save it again")
        ) from error


def recognise_format(data: bytes) -> str | None:
    """The format that the first bytes announce ("PNG", "TIFF", "PDF" ...), or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for signature, name in _SIGNATURES if data.startswith(signature)), None)


def png_ending(data: bytes, name: str) -> str | None:
    """What is unusual about the end of a PNG, or None.

    Such a file can be decoded: it lost its closing chunk, or something was appended to it.

    Raises:
        DataError: a chunk is cut off, or its checksum (CRC-32) is wrong.
    """
    view = memoryview(data)
    position = len(_PNG_SIGNATURE)
    while position < len(data):
        length = int.from_bytes(view[position : position + 4], "big")
        end = position + 12 + length
        kind = bytes(view[position + 4 : position + 8])
        if end > len(data):
            raise DataError(
                Problem(
                    name, f"a PNG cut off in the chunk at byte {position:,}", "a complete image", hint="copy it again"
                )
            )
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DataError(
                Problem(
                    name,
                    f"a wrong checksum in the PNG chunk at byte {position:,}",
                    "an undamaged image",
                    hint="copy it again",
                )
            )
        position = end
        if kind == b"IEND":
            extra = len(data) - position
            return f"{extra:,} bytes after the end of the PNG image" if extra else None
    return "a PNG without its closing IEND chunk"


def _allowed_format(data: bytes, name: str, limits: ImageLimits) -> str:
    expected = f"an image: {', '.join(limits.formats)}"
    if not data:
        raise DataError(Problem(name, "an empty file", expected))
    format_name = recognise_format(data)
    if format_name is None:
        start = data[:512]
        plain = "text" if start.isascii() and b"\0" not in start else f"unknown content (first bytes {start[:4].hex()})"
        found = looks_like(start) or plain
        raise DataError(Problem(name, found, expected))
    if format_name not in limits.formats:
        raise DataError(Problem(name, f"a {format_name} file", expected, hint="convert it, for example to PNG"))
    return format_name


def _open(data: bytes, format_name: str) -> Image.Image:
    # The plugin itself instead of Image.open: no guessing among formats, and no pixel limit that
    # warns at one size and raises at another; ours is checked right after.
    for load_plugins in (Image.preinit, Image.init):  # the common formats first: all are dozens of modules
        if format_name not in Image.OPEN:
            load_plugins()
    factory, _ = Image.OPEN[format_name]
    return factory(io.BytesIO(data), "")


def check_size(size: tuple[int, int], name: str, limits: ImageLimits) -> None:
    """Refuse a picture of ``size`` (width, height) that ``limits`` does not allow, before it is decoded."""
    width, height = size
    if not (1 <= width <= limits.width and 1 <= height <= limits.height):
        raise DataError(
            Problem(
                name,
                f"{width:,} x {height:,} pixels",
                f"at most {limits.width:,} x {limits.height:,}",
                hint="crop or scale it down first",
            )
        )
    if width * height > limits.pixels:
        found, most = f"{width:,} x {height:,} = {width * height:,} pixels", f"at most {limits.pixels:,} pixels"
        raise DataError(Problem(name, found, most, hint="crop or scale it down first"))


def levels_of(image: Image.Image, background: int | None) -> NDArray[np.uint8]:
    """The table at the top of this module: any image -> uint8 (1 or 3, H, W)."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        levels = _scaled(values, 1.0 if image.mode == "F" else 65535.0)
        if "transparency" in image.info:
            transparent = values == image.info["transparency"]
            levels[transparent] = _ground(levels[~transparent]) if background is None else background
        return levels[None]
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return np.atleast_3d(np.array(image)).transpose(2, 0, 1)  # opaque: what composed would give, sooner
    if image.mode in ("1", "L", "LA", "La"):
        return composed(image.convert("LA"), background)
    if image.mode in ("RGB", "RGBA", "RGBa"):
        return composed(image.convert("RGBA"), background)
    if image.mode in ("CMYK", "YCbCr"):
        return composed(image.convert("RGB").convert("RGBA"), background)
    if image.mode in ("P", "PA"):
        colours = composed(image.convert("RGBA"), background)
        return colours[:1] if (colours == colours[0]).all() else colours
    raise ValueError(f"pixel mode {image.mode} has no rule")


def _scaled(values: NDArray[np.generic], largest: float) -> NDArray[np.uint8]:
    exact = values.astype(np.float64)
    if not ((exact >= 0) & (exact <= largest)).all():  # false for NaN, too
        raise ValueError(f"grey levels outside 0..{largest:g}")
    return np.rint(exact * (255.0 / largest)).astype(np.uint8)


def composed(image: Image.Image | NDArray[np.uint8], background: int | None) -> NDArray[np.uint8]:
    """Colours and alpha in the last band -> the colours on the background, rounded."""
    bands = np.asarray(image).astype(np.uint32).transpose(2, 0, 1)
    colours, alpha = bands[:-1], bands[-1]
    if background is None:
        background = _ground(colours[:, alpha > 127])
    return ((colours * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)


def _ground(levels: NDArray[Any]) -> int:
    """The background that opaque pixels of these levels stand out from."""
    return 0 if levels.size and levels.mean() > 127.5 else 255


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R 601: 0.299 R + 0.587 G + 0.114 B, in 16-bit fixed point as Pillow does it."""
    red, green, blue = pixels.astype(np.uint32)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)[None]


def with_channels(pixels: NDArray[np.uint8], channels: int | None) -> NDArray[np.uint8]:
    """An image (C, H, W) in grey (1) or in RGB (3); any other number leaves it as it is."""
    if len(pixels) == channels or channels not in (1, 3):
        return pixels
    return luma(pixels) if channels == 1 else np.repeat(pixels, 3, axis=0)


def brought_to(
    pixels: NDArray[np.uint8], resize: Sequence[int] | None, *, keep_aspect: bool = False
) -> NDArray[np.uint8]:
    """An image (C, H, W) in the size, and perhaps the channels, of ``resize``; None leaves it as it is.

    Args:
        pixels: the image.
        resize: (H, W) or (C, H, W); of channels, 1 and 3 are converted into each other.
        keep_aspect: scale both sides alike and fill up with the median of the border, instead of stretching.
    """
    if resize is None:
        return pixels
    height, width = resize[-2:]
    if len(resize) == 3:
        pixels = with_channels(pixels, resize[0])
    if pixels.shape[1:] == (height, width):
        return pixels
    if not keep_aspect:
        return np.stack([_scaled_to(band, height, width) for band in pixels])
    factor = min(height / pixels.shape[1], width / pixels.shape[2])
    inner = [max(1, round(side * factor)) for side in pixels.shape[1:]]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    made = np.empty((len(pixels), height, width), np.uint8)
    for band, filled in zip(pixels, made, strict=True):
        filled[:] = np.median(np.concatenate([band[0], band[-1], band[:, 0], band[:, -1]]))
        filled[top : top + inner[0], left : left + inner[1]] = _scaled_to(band, *inner)
    return made


def _scaled_to(band: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W) by bicubic interpolation over all pixels that a new one covers, so that nothing falls between."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(band)).resize((width, height), Image.Resampling.BICUBIC))
