"""What is sure goes on, the rest goes to people: lines sorted by whether they can be believed."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tenfold.errors import UsageError
from tenfold.reading.line_network import MARKS
from tenfold.reading.normalise import Grey
from tenfold.reading.results import UNREAD, Box, Digit, Line, Mark, Reading

Rule = Callable[[str], str | None]
"""Given the text of a line, digits and marks: what is wrong with it, or None."""

_DATE_PARTS = {"DD": "%d", "MM": "%m", "YYYY": "%Y", "YY": "%y"}


def parse_rule(text: str) -> Rule:
    """The rule that ``text`` stands for.

    ==================  ====================================================================
    ``length=5``        so many digits; ``length=4-6`` is from 4 to 6
    ``range=1-31``      a number in the range, leading zeros allowed
    ``date=DDMMYYYY``   a day that exists; the parts DD, MM, YYYY or YY in any order
    ``luhn``            the last digit is the check digit of cards (Luhn 1960, ISO/IEC 7812)
    ``mod11``           ISBN-10's check digit, as far as it is a digit
    ``mod97``           the remainder by 97 is 1, as in IBANs (ISO/IEC 7064)
    ``one-of=10|20``    one of these
    ==================  ====================================================================

    Raises:
        UsageError: no such rule, or one that cannot be meant.
    """
    name, _, setting = text.strip().partition("=")
    makers = {"length": _length, "range": _range, "date": _date, "one-of": _one_of}
    checks: dict[str, Rule] = {"luhn": _luhn, "mod11": _mod11, "mod97": _mod97}
    if name in checks and not setting:
        return checks[name]
    if name in makers and setting:
        return makers[name](setting)
    raise UsageError(
        f"found the rule {text!r}, expected one of: length=5, range=1-31, date=DDMMYYYY, one-of=10|20, luhn, mod11,"
        " mod97"
    )


def faults(text: str, rules: Sequence[Rule]) -> list[str]:
    """What is wrong with ``text``, digits and marks; empty if it keeps all ``rules``.

    Marks count for nothing, as in dates, cards and telephone numbers, but for range and one-of: 12.50 is not 1250.
    """
    digits = _digits(text)
    if not (digits.isascii() and digits.isdigit()):
        return ["not all of it could be read"]
    return [fault for rule in rules if (fault := rule(text)) is not None]


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign not in MARKS)


def _length(setting: str) -> Rule:
    low, high = _bounds(setting, "length")

    def rule(text: str) -> str | None:
        digits = _digits(text)
        expected = f"{low}" if low == high else f"{low} to {high}"
        return None if low <= len(digits) <= high else f"{len(digits)} digits, expected {expected}"

    return rule


def _range(setting: str) -> Rule:
    low, high = _bounds(setting, "range")

    def rule(text: str) -> str | None:
        if not text.isdigit():
            return f"{text} has marks, expected a whole number of {low} to {high}"
        return None if low <= int(text) <= high else f"{int(text)} is not in {low} to {high}"

    return rule


def _bounds(setting: str, name: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", setting, re.ASCII)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise UsageError(f"the rule {name}={setting}: expected a number or two, such as {name}=5 or {name}=1-31")
    return low, high


def _date(setting: str) -> Rule:
    parts = re.findall("YYYY|YY|MM|DD", setting)
    if "".join(parts) != setting or len(set(parts)) != len(parts) or sorted({p[0] for p in parts}) != ["D", "M", "Y"]:
        raise UsageError(
            f"the rule date={setting}: expected DD, MM and YYYY or YY in some order, such as date=DDMMYYYY"
        )
    form = "".join(_DATE_PARTS[part] for part in parts)

    def rule(text: str) -> str | None:
        digits = _digits(text)
        if len(digits) != len(setting):
            return f"{len(digits)} digits, expected {setting}"
        try:
            datetime.datetime.strptime(digits, form)
        except ValueError:
            return f"no day that exists ({setting})"
        return None

    return rule


def _one_of(setting: str) -> Rule:
    allowed = setting.split("|")
    if not all(word.isascii() and word.isdigit() for word in allowed):
        raise UsageError(f"the rule one-of={setting}: expected digits with | between, such as one-of=10|20|50")
    return lambda text: None if text in allowed else f"not one of {', '.join(allowed)}"


def _luhn(text: str) -> str | None:
    digits = _digits(text)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return None if len(digits) > 1 and total % 10 == 0 else "the check digit does not fit (Luhn)"


def _mod11(text: str) -> str | None:
    digits = _digits(text)
    total = sum(place * int(digit) for place, digit in enumerate(reversed(digits), 1))
    return None if len(digits) > 1 and total % 11 == 0 else "the check digit does not fit (modulo 11)"


def _mod97(text: str) -> str | None:
    digits = _digits(text)
    return None if len(digits) > 2 and int(digits) % 97 == 1 else "the check digits do not fit (modulo 97)"


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
        for digit in line.signs:
            _draw(pen, digit, enlarged, top)
    content = io.BytesIO()
    canvas.save(content, "PNG")
    return content.getvalue()


def _draw(pen: ImageDraw.ImageDraw, digit: Digit | Mark, enlarged: int, top: int) -> None:
    colour = DOUBTFUL if digit.rejected else SURE
    x, y = digit.box.x * enlarged, digit.box.y * enlarged + top
    width, height = digit.box.width * enlarged, digit.box.height * enlarged
    pen.rectangle((x, y, x + width, y + height), outline=colour, width=max(1, enlarged // 2))
    size = _size(digit, enlarged)
    text = f"{digit.label}{UNREAD}" if digit.rejected else digit.label
    pen.text((x, y - 1), text, fill=colour, font=ImageFont.load_default(size), anchor="ld")


def _size(digit: Digit | Mark, enlarged: int) -> int:
    return max(SMALLEST_TEXT, digit.box.height * enlarged // 2)


def _text_height(reading: Reading, enlarged: int) -> int:
    return max((_size(digit, enlarged) for line in reading.lines for digit in line.signs), default=SMALLEST_TEXT)


MARGIN = 0.4
"""Of a line's height: how much of its surroundings a person gets to see."""
COLUMNS = ("file", "line", "text", "confidence")


@dataclass(frozen=True)
class Checked:
    """One line and what is wrong with it.

    Attributes:
        file: the picture it is in.
        number: its place there, from 1; 0 if the picture is blank.
        guess: its digits, doubtful ones too.
        confidence: that all of them are right.
        faults: why a person should look; empty if none needs to.
        crop: uint8 (H, W), the line with some of its surroundings.
    """

    file: str
    number: int
    guess: str
    confidence: float
    faults: tuple[str, ...]
    crop: Grey

    def row(self) -> list[object]:
        """For a table with :data:`COLUMNS`."""
        return [self.file, self.number, self.guess, f"{self.confidence:.6f}"]


def check(
    file: str, grey: Grey, reading: Reading, rules: Sequence[Rule] = (), lines: int | None = None
) -> list[Checked]:
    """Every line of a picture, checked.

    Args:
        file: what the picture is called.
        grey: the picture.
        reading: what was read in it.
        rules: each line has to keep them.
        lines: how many lines there should be; None does not mind.
    """
    if reading.blank:
        return [Checked(file, 0, "", 0.0, ("nothing was found",), grey)]
    odd = []
    if lines is not None and len(reading.lines) != lines:
        odd = [f"{len(reading.lines)} lines in the picture, expected {lines}"]
    return [
        Checked(
            file,
            number,
            line.label,
            line.confidence,
            (*_doubts(line), *faults(line.label, rules), *odd),
            _crop(grey, line.box),
        )
        for number, line in enumerate(reading.lines, 1)
    ]


def sorted_out(checked: Iterable[Checked]) -> tuple[list[Checked], list[Checked]]:
    """The lines that can be believed, and those that a person should look at."""
    sure: list[Checked] = []
    doubtful: list[Checked] = []
    for each in checked:
        (doubtful if each.faults else sure).append(each)
    return sure, doubtful


def _doubts(line: Line) -> list[str]:
    doubtful = [place for place, digit in enumerate(line.digits, 1) if digit.rejected]
    found = [f"digit {', '.join(map(str, doubtful))} is doubtful"] if doubtful else []
    return found + [
        f"the mark {mark.label} behind digit {mark.place} is doubtful" for mark in line.marks if mark.rejected
    ]


def _crop(grey: Grey, box: Box) -> Grey:
    margin = round(MARGIN * box.height)
    top, left = max(0, box.y - margin), max(0, box.x - margin)
    return grey[top : box.y + box.height + margin, left : box.x + box.width + margin]
