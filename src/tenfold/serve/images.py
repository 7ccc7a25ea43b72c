"""An image file from a stranger -> grey levels, with the limits of a service."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenfold.data.images import ImageLimits, decode_image, image_size, recognise_format
from tenfold.errors import DataError
from tenfold.serve.bodies import Item
from tenfold.serve.faults import Fault

LIMITS = ImageLimits(formats=("PNG", "JPEG", "BMP", "GIF", "WEBP"), background=None, strict_png=True)
MOST_PIXELS = LIMITS.width * LIMITS.height
"""Of all images of a request together: a small file can hold many pixels, and a request many files."""


def check_sizes(items: Sequence[Item]) -> None:
    """Read the headers of every file before a pixel of any is decoded.

    Raises:
        Fault: 413 too many pixels, 415 another format, 422 no image.
    """
    pixels = 0
    for item in items:
        if item.file is None:
            continue
        found = recognise_format(item.file)
        if found is not None and found not in LIMITS.formats:
            raise Fault(415, f"found a {found} file, expected {', '.join(LIMITS.formats)}", field=item.field)
        try:
            width, height = image_size(item.file, "the image", LIMITS)
        except DataError as error:
            raise _refused(error, item.field) from None
        pixels += width * height
        if width > LIMITS.width or height > LIMITS.height or pixels > MOST_PIXELS:
            raise Fault(
                413,
                f"found {width:,} x {height:,} pixels, expected at most {LIMITS.width:,} x {LIMITS.height:,}, "
                f"and {MOST_PIXELS:,} in all images together",
                field=item.field,
            )


def decoded(item: Item, channels: int = 1) -> NDArray[np.uint8]:
    """The levels (C, H, W) of an item that passed :func:`check_sizes`.

    Raises:
        Fault: 422 damaged or incomplete.
    """
    if item.levels is not None:
        return item.levels
    assert item.file is not None
    try:
        return decode_image(item.file, "the image", LIMITS, channels=channels)
    except DataError as error:
        raise _refused(error, item.field) from None


def _refused(error: DataError, field: str) -> Fault:
    problem = error.problems[0]
    return Fault(422, f"found {problem.found}, expected {problem.expected}", field=field)
