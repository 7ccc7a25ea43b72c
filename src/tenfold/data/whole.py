"""Whether an image that a decoder accepted is whole: decoders fill missing rows up without a word."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass of an interlaced PNG: first column, first row, and the steps across and down."""
MOST_SCANS = 64
"""Scans of a progressive JPEG: encoders make about ten, and each takes time for the whole picture."""
_PADDINGS = (b"\x73\x19\xe4\x5b\x2d\x96\x48\xd1" * 8, b"\x8c\xe6\x1b\xa4\xd2\x69\xb7\x2e" * 8)
_PIECE = 1 << 18


def lost_of(data: bytes, image: Image.Image, format_name: str) -> str | None:
    """What a decoded image lacks of what its header promises, or None: decoders fill the rest up without a word."""
    if format_name == "PNG":
        return _lost_of_png(data)
    if format_name == "JPEG":
        return _lost_of_jpeg(data, image)
    if format_name == "GIF" and not data[10] & 0x80 and image.mode in ("L", "P") and not _has_local_palette(data):
        return "a palette image without a palette"
    return None


def _lost_of_png(data: bytes) -> str | None:
    """Fewer bytes in the IDAT chunks than rows need, or no palette where pixels are places in one."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(">2I5B", data[16:29])
    bits = depth * _PNG_CHANNELS.get(kind, 1)
    wanted = 0
    for x, y, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + -(-columns * bits // 8))
    inflate, count, palette, used = zlib.decompressobj(), 0, 0, b""
    view, position = memoryview(data), 8
    while position < len(data) and count < wanted:
        length = int.from_bytes(view[position : position + 4], "big")
        kind_of_chunk, content = bytes(view[position + 4 : position + 8]), view[position + 8 : position + 8 + length]
        if kind_of_chunk == b"PLTE":
            palette = length // 3
        if kind_of_chunk == b"IDAT":
            used = bytes(content)
            while count < wanted and (used or not count) and not inflate.eof:
                count += len(inflate.decompress(used, min(_PIECE, wanted - count)))
                used = inflate.unconsumed_tail
                if not used:
                    break
        position += 12 + length
    if count < wanted:
        return f"a PNG whose data ends after {count:,} of {wanted:,} bytes: rows are missing"
    if kind == 3 and not palette:
        return "a palette image without a palette"
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, place and content of each segment of a JPEG up to its end; a scan's content is its header only."""
    position = 2
    while (position := data.find(b"\xff", position)) >= 0 and position + 4 <= len(data):
        marker = data[position + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # stuffed, padding, restart: inside a scan
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, position, data[position + 4 : position + 2 + length]
        position += 2 + length


def insist_on_scans(data: bytes, format_name: str) -> None:
    """Refuse a JPEG that would take very long, by ValueError, before it is decoded."""
    if format_name == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
        scans = sum(marker == 0xDA for marker, _, _ in _segments(data))
        if scans > MOST_SCANS:
            raise ValueError(f"{scans:,} scans, expected at most {MOST_SCANS}")


def _lost_of_jpeg(data: bytes, image: Image.Image) -> str | None:
    """Scans that never came, or an end before the last row.

    Where the data of the last scan ends too early, the decoder makes up the rest, and bytes put there change the
    picture; behind a complete scan they change nothing.
    """
    progressive, components, last = False, b"", 0
    complete: set[tuple[int, int]] = set()
    for marker, position, content in _segments(data):
        if marker in (0xC0, 0xC1, 0xC2) and len(content) > 5:
            progressive = marker == 0xC2
            components = bytes(content[6 + 3 * n] for n in range(content[5]) if 6 + 3 * n < len(content))
        elif marker == 0xDA and len(content) >= 4:
            named = content[1 : 1 + 2 * content[0] : 2]
            first, final, approximation = content[-3:]
            places = range(first, min(final, 63) + 1) if progressive else range(64)
            if not progressive or approximation & 15 == 0:
                complete.update((component, place) for component in named for place in places)
            last = position + 4 + len(content)
    missing = {component for component in components if any((component, place) not in complete for place in range(64))}
    if missing:
        return f"a JPEG whose data ends early: {len(missing)} of {len(components)} components are incomplete"
    end = data.find(b"\xff\xd9", last)
    if end < 0:
        return None  # Pillow refuses what ends before the last row and has no end marker
    shown = np.asarray(image)
    for padding in _PADDINGS:
        other = Image.open(io.BytesIO(data[:end] + padding + data[end:]), formats=["JPEG"])
        other.load()
        if not np.array_equal(shown, np.asarray(other)):
            return "a JPEG whose data ends before the last row"
    return None


def _has_local_palette(data: bytes) -> bool:
    """Whether the first picture of a GIF brings a palette of its own."""
    position = 13
    while data[position : position + 1] == b"!":  # an extension: blocks of up to 255 bytes
        position += 2
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    return position + 9 < len(data) and bool(data[position + 9] & 0x80)
