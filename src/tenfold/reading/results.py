"""What was read: digits in lines, each with its place on the page and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNREAD = "?"
"""Stands for what is no digit, or too doubtful to be called one."""


@dataclass(frozen=True)
class Box:
    """A rectangle on the page: pixels from the upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def as_list(self) -> list[int]:
        return [self.x, self.y, self.width, self.height]


@dataclass(frozen=True)
class Digit:
    """One digit, or what was taken for one.

    Attributes:
        label: the most probable class; "" if the picture is blank.
        confidence: its probability, 0..1.
        rejected: the confidence is below the bundle's threshold: not a digit, or unreadable.
        blank: there is no ink.
        box: where it is on the page.
        probabilities: (K,) float32, in the order of the bundle's classes.
        image: uint8 (H, W), what the model saw: 28 x 28 for MNIST's kind.
    """

    label: str
    confidence: float
    rejected: bool
    blank: bool
    box: Box
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    image: NDArray[np.uint8] = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """The label; "?" if it was rejected, and "" if there is nothing."""
        return "" if self.blank else UNREAD if self.rejected else self.label

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "rejected": self.rejected,
            "box": self.box.as_list(),
        }


@dataclass(frozen=True)
class Mark:
    """A point, a sign or a dash between digits.

    Attributes:
        label: one of ``. , - + / : ( ) = #``; "?" for a letter or a sign among digits.
        confidence: 0..1.
        rejected: it is too doubtful, or no mark.
        box: where it is on the page.
        place: how many of the line's digits are before it.
    """

    label: str
    confidence: float
    rejected: bool
    box: Box
    place: int

    @property
    def text(self) -> str:
        """The label; "?" if it was rejected."""
        return UNREAD if self.rejected else self.label

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = {"label": self.label, "confidence": round(self.confidence, 6), "rejected": self.rejected}
        return {**found, "box": self.box.as_list(), "place": self.place}


@dataclass(frozen=True)
class Line:
    """One line of digits, from left to right, with the marks among them.

    Attributes:
        digits: without the marks.
        marks: in their order.
    """

    digits: tuple[Digit, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def signs(self) -> tuple[Digit | Mark, ...]:
        """Digits and marks as they stand in the line."""
        found: list[Digit | Mark] = list(self.digits)
        for mark in reversed(self.marks):
            found.insert(mark.place, mark)
        return tuple(found)

    @property
    def text(self) -> str:
        """Digits and marks; "?" for what was rejected."""
        return "".join(sign.text for sign in self.signs)

    @property
    def label(self) -> str:
        """Digits and marks, doubtful ones too."""
        return "".join(sign.label for sign in self.signs)

    @property
    def confidence(self) -> float:
        """The probability that all of it is right, if its signs err independently."""
        return float(np.prod([sign.confidence for sign in self.signs]))

    @property
    def sure(self) -> bool:
        """Whether no digit and no mark was rejected."""
        return not any(sign.rejected for sign in self.signs)

    @property
    def box(self) -> Box:
        boxes = [sign.box for sign in self.signs]
        left, top = min(b.x for b in boxes), min(b.y for b in boxes)
        right, bottom = max(b.x + b.width for b in boxes), max(b.y + b.height for b in boxes)
        return Box(left, top, right - left, bottom - top)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "sure": self.sure,
            "box": self.box.as_list(),
            "digits": [digit.as_dict() for digit in self.digits],
            "marks": [mark.as_dict() for mark in self.marks],
        }


@dataclass(frozen=True)
class Reading:
    """What one picture says.

    Attributes:
        lines: from top to bottom; none if the picture is blank.
        width, height: of the picture, pixels.
    """

    lines: tuple[Line, ...]
    width: int
    height: int

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)

    @property
    def blank(self) -> bool:
        """Whether nothing was found."""
        return not self.lines

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "text": self.text,
            "blank": self.blank,
            "width": self.width,
            "height": self.height,
            "lines": [line.as_dict() for line in self.lines],
        }
