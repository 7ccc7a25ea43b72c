"""What is sure goes on, the rest goes to people: lines sorted by whether they can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenfold.reading.images import Grey
from tenfold.reading.results import Box, Line, Reading
from tenfold.reading.validators import Rule, faults

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


def check(file: str, grey: Grey, reading: Reading, rules: Sequence[Rule] = (), lines: int | None = None) -> list[Checked]:
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
            "".join(digit.label for digit in line.digits),
            line.confidence,
            (*_doubts(line), *faults("".join(digit.label for digit in line.digits), rules), *odd),
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
    if not doubtful:
        return []
    return [f"digit {', '.join(map(str, doubtful))} is doubtful"]


def _crop(grey: Grey, box: Box) -> Grey:
    margin = round(MARGIN * box.height)
    top, left = max(0, box.y - margin), max(0, box.x - margin)
    return grey[top : box.y + box.height + margin, left : box.x + box.width + margin]
