"""The picture with what was read drawn over it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tenfold.reading.images import Grey
from tenfold.reading.results import UNREAD, Digit, Reading

SURE, DOUBTFUL = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion: told apart by colour-blind eyes, too (Okabe & Ito 2008)."""
SMALLEST_TEXT = 12


def with_boxes(grey: Grey, reading: Reading) -> bytes:
    """A PNG file: the picture (H, W), each digit in a box with its label above; doubtful ones in another colour."""
    picture = Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))
    enlarged = max(1, round(600 / max(picture.size)))
    picture = picture.resize((picture.width * enlarged, picture.height * enlarged), Image.Resampling.LANCZOS)
    top = _text_height(reading, enlarged) + 2
    canvas = Image.new("RGB", (picture.width, picture.height + top), "white")
    canvas.paste(picture, (0, top))
    pen = ImageDraw.Draw(canvas)
    for line in reading.lines:
        for digit in line.digits:
            _draw(pen, digit, enlarged, top)
    content = io.BytesIO()
    canvas.save(content, "PNG")
    return content.getvalue()


def _draw(pen: ImageDraw.ImageDraw, digit: Digit, enlarged: int, top: int) -> None:
    colour = DOUBTFUL if digit.rejected else SURE
    x, y = digit.box.x * enlarged, digit.box.y * enlarged + top
    width, height = digit.box.width * enlarged, digit.box.height * enlarged
    pen.rectangle((x, y, x + width, y + height), outline=colour, width=max(1, enlarged // 2))
    size = _size(digit, enlarged)
    text = f"{digit.label}{UNREAD}" if digit.rejected else digit.label
    pen.text((x, y - 1), text, fill=colour, font=ImageFont.load_default(size), anchor="ld")


def _size(digit: Digit, enlarged: int) -> int:
    return max(SMALLEST_TEXT, digit.box.height * enlarged // 2)


def _text_height(reading: Reading, enlarged: int) -> int:
    return max((_size(digit, enlarged) for line in reading.lines for digit in line.digits), default=SMALLEST_TEXT)
