"""A whole picture, read: the sheet in it, the way it is turned, its lines, and the text of each by both opinions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tenfold.reading.agreement import Agreed, Recognise, agreed
from tenfold.reading.ink import InkMap, Polarity, dilated, ink_map
from tenfold.reading.line_network import CLASSES, MARKS, OTHER, Columns, LineNetwork
from tenfold.reading.lines import HEIGHT, MOST_LINES, LineInk, find_lines, without_rules
from tenfold.reading.normalise import Grey
from tenfold.reading.results import UNREAD, Box, Digit, Line, Mark
from tenfold.reading.segmentation import Costs, Segment
from tenfold.reading.sheets import View, levelled, on_sheet, without_boxes

UPRIGHT = -0.12
"""Mean logarithm of a sign's probability from which on a page is not turned round to see whether it reads better."""
TURNED = 2.0
"""How many times nearer to certainty a turned page must be ..."""
LEAST_SIGNS = 0.5
"""... with this share of the signs that it has as it is, or more ..."""
FEWEST = 3
"""... and so many digits: 66 is no 99 that somebody held upside down."""
CLEARLY = 0.15
"""By so much must the mean logarithms, of the network's certainty and of the confidence, be better."""
STRANGE = math.log(0.5)
"""What a letter or sign that is neither digit nor mark counts: upside down, digits look like that."""
JOINED = 0.08
"""Share of a line's height that parts of a sign may be apart, as a display's are, if it reads better so."""
BOXES = 36
"""Pixels of the shortest line of a box."""
PROBED = 8
"""Lines that tell whether a turned page may be the right one."""
LARGEST, LEAST_TALL = 2_000, 24
"""Pixels of a side from which on a page is reduced before it is read, if its digits then still are as tall as that."""
SURE = 0.95
"""A sign with less confidence is rejected, if nobody sets another threshold."""
SURENESS = (0.0, 0.6, 0.5)
"""A digit's confidence is logistic: a constant, what the logarithm of the odds of its place among all texts counts, and
that of the recogniser's answer."""


@dataclass(frozen=True)
class Found:
    """A view's lines and what the line network says of them.

    Attributes:
        view: of the picture.
        lines: those that the network was shown, with what it says of each.
        count: of all lines.
        certainty: mean logarithm of a sign's probability.
        signs: how many signs there are.
    """

    view: View
    lines: list[tuple[LineInk, Columns]]
    count: int
    certainty: float
    signs: int

    def rather_than(self, other: Found, *, sideways: bool) -> bool:
        """Whether this view of the page may be the right one, and not ``other``.

        A line that lies on its side falls apart into several, so a view ``sideways`` of the other has fewer.
        """
        return (
            self.signs > 1
            and self.signs * self.count >= LEAST_SIGNS * other.signs * len(self.lines)
            and self.certainty * TURNED > other.certainty
            and (not sideways or self.count < other.count)
        )


@dataclass(frozen=True)
class PageReader:
    """Reads pages with a line network and a recogniser of single digits.

    Attributes:
        network: proposes what lines say.
        recognise: what the recogniser says of segments.
        polarity: whether ink is dark or bright.
        costs: how lines are cut.
        threshold: signs with less confidence are rejected.
        marks: whether marks are kept, or only digits.
        most_digits: how much ink a page may have.
    """

    network: LineNetwork
    recognise: Recognise
    polarity: Polarity
    costs: Costs
    threshold: float
    marks: bool
    most_digits: int

    def read(self, grey: Grey, name: str) -> list[Line]:
        """The lines of a picture, on the sheet if it shows one on a table, level, and turned the way they read best.

        Raises:
            DataError: too much ink; it is called ``name`` there.
        """
        view, page = self._prepared(View.of(grey), name)
        found = self._found(view, page, name)
        lines = self._lines(found)
        heights = [HEIGHT / line.scale for line, _ in found.lines]
        if found.certainty >= UPRIGHT or not heights:
            return lines
        tall = float(np.median(heights))
        others = {0: (view, page, max(1, round(JOINED * tall)))}
        for quarters in (1, 2, 3) if len(heights) > 1 else (2,):
            others[quarters] = view.turned(quarters), page.turned(quarters), 0
        best, reached = lines, _sureness_of(lines) + found.certainty + CLEARLY
        for quarters, (seen, ink, joined) in others.items():
            other = self._found(seen, ink, name, joined=joined, most=PROBED)
            if other.rather_than(found, sideways=quarters in (1, 3)):
                if other.count > PROBED:
                    other = self._found(seen, ink, name, joined=joined)
                turned = self._lines(other)
                score = _sureness_of(turned) + other.certainty
                count = sum(len(line.digits) for line in turned)
                if score > reached and (quarters == 0 or count >= FEWEST):
                    best, reached = turned, score
        return best

    def _prepared(self, view: View, name: str) -> tuple[View, InkMap]:
        """The sheet on ``view``, level, and its ink; in fewer pixels if the digits are tall enough then."""
        factor = -(-max(view.grey.shape) // LARGEST)
        if factor > 1:
            small = self._prepared(view.reduced(factor), name)
            lines = find_lines(_without_lines(small[1]), name, self.most_digits)
            tall = min((HEIGHT / line.scale for line in lines), default=0.0)
            if tall >= LEAST_TALL:
                return small
            view = view.reduced(max(1, int(tall * factor / LEAST_TALL)))
        view = on_sheet(view)
        page = ink_map(view.grey, self.polarity)
        level = levelled(view, page.mask)
        return (view, page) if level is view else (level, ink_map(level.grey, self.polarity))

    def _found(self, view: View, page: InkMap, name: str, *, joined: int = 0, most: int = MOST_LINES) -> Found:
        """The lines of ``view`` as they lie in it.

        Args:
            view: of the picture.
            page: its ink.
            name: what errors call the picture.
            joined: gaps of twice so many pixels count as ink.
            most: so many lines, the longest, are shown to the network.
        """
        clean = _without_lines(page)
        found, total, signs = [], 0.0, 0
        mask = dilated(clean.mask, joined) if joined else clean.mask
        lines = find_lines(replace(clean, mask=mask), name, self.most_digits)
        longest = sorted(range(len(lines)), key=lambda i: -lines[i].ink.shape[1])[:most]
        for line in [lines[i] for i in sorted(longest)]:
            box = (line.left, line.above, line.left + line.width, line.above + line.height)
            middle = line.above + (line.top + HEIGHT / 2) / line.scale
            columns = self.network.columns(clean.contrast, box, HEIGHT / line.scale, middle)
            if columns is None:
                continue
            if not self.marks:
                columns = columns.without_marks()
            text, share = columns.likely[0]
            strange = sum(CLASSES[sign] == OTHER for sign in text)
            total += math.log(max(share, 1e-9)) + STRANGE * strange
            signs += max(len(text), 1)
            found.append((line, columns))
        return Found(view, found, len(lines), total / max(signs, 1), signs)

    def _lines(self, found: Found) -> list[Line]:
        """What the lines of a view say, from top to bottom."""
        read = []
        for line, columns in found.lines:
            said = agreed(columns, line, self.recognise, self.costs)
            read.append(_line(said, found.view, line, self.threshold, marks=self.marks))
        written = [line for line in read if line is not None]
        return [line for line in written if line.digits] or written  # beside numbers, marks alone are specks and rules


def _without_lines(page: InkMap) -> InkMap:
    """The ink without ruled lines and boxes."""
    kept = without_boxes(without_rules(page.mask), page.contrast, BOXES)
    kept = kept if kept.any() else page.mask
    drawn = dilated(page.mask & ~kept, 1) & ~kept
    contrast = np.where(drawn, 0, page.contrast).astype(np.float32) if drawn.any() else page.contrast
    return replace(page, mask=kept, contrast=contrast)


def _sureness_of(lines: Sequence[Line]) -> float:
    """Mean logarithm of the confidence of all signs; about the worst if there are none."""
    found = [math.log(max(sign.confidence, 1e-3)) for line in lines for sign in line.signs]
    return sum(found) / len(found) if found else math.log(1e-3)


def _line(said: Agreed, view: View, line: LineInk, threshold: float, *, marks: bool) -> Line | None:
    """What was said of a line as digits and marks; None if it is a printed word, or nothing."""
    names = [CLASSES[k] for k in said.text]
    kept = _written(names)
    digits: list[Digit] = []
    signs: list[Mark] = []
    number = 0
    for name, piece, share, marked, keep in zip(names, said.pieces, said.each, said.marked, kept, strict=True):
        box = view.box(box_on_page(line, piece))
        if name.isdigit():
            values = said.probabilities[number]
            # however clear a digit is, beside it may be a mark that was not read
            confidence = _sureness(float(share), float(values[int(name)]))
            if marks:
                confidence = min(confidence, float(marked))
            digits.append(Digit(name, confidence, confidence < threshold, False, box, values, piece.image))
            number += 1
        elif keep and (marks or name == OTHER):
            confidence = 0.0 if name == OTHER else float(share)
            signs.append(Mark(UNREAD if name == OTHER else name, confidence, confidence < threshold, box, len(digits)))
    return Line(tuple(digits), tuple(signs)) if digits or signs else None


def _written(names: Sequence[str]) -> list[bool]:
    """Which signs belong to what is written: not words before or behind it, nor the marks among them."""
    kept = [True] * len(names)
    if not any(name.isdigit() for name in names) and (len(names) > 1 or names == [OTHER]):
        return [name in MARKS for name in names] if OTHER not in names else [False] * len(names)
    for places in (range(len(names)), range(len(names) - 1, -1, -1)):
        last = -1
        for count, i in enumerate(places):
            if names[i].isdigit():
                break
            if names[i] == OTHER:
                last = count
        for count, i in enumerate(places):
            if count <= last or (last > 0 and count == last + 1 and names[i] in ".,:"):
                kept[i] = False
    return kept


def _sureness(among_texts: float, recognised: float) -> float:
    """A digit's confidence, 0..1."""

    def odds(share: float) -> float:
        share = min(max(share, 1e-6), 1 - 1e-6)
        return math.log(share / (1 - share))

    constant, texts, alone = SURENESS
    return 1 / (1 + math.exp(-(constant + texts * odds(among_texts) + alone * odds(recognised))))


def box_on_page(line: LineInk, segment: Segment) -> Box:
    """Where a piece of a line lies on the page."""
    x = np.array([segment.left, segment.right, segment.left, segment.right], np.float64)
    y = np.array([segment.top, segment.top, segment.bottom, segment.bottom], np.float64)
    across, down = line.on_page(x, y)
    # the corners of the sheared box that lie inward: closer to the ink than those outward
    left, right = (across[0] + across[2]) / 2, (across[1] + across[3]) / 2
    return Box(round(left), round(down.min()), max(1, round(right - left)), max(1, round(down.max() - down.min())))
