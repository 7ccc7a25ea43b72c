"""What the recogniser that comes along learns from: MNIST's digits as other hands write them and as cuts leave them,
and
an eleventh class of what is no digit (outlier exposure, Hendrycks et al. 2018, arXiv:1812.04606).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.synthesis.allographs import with_allographs
from lab.synthesis.glyphs import non_digit
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.pens import Hand, written
from lab.synthesis.scans import scanned
from lab.synthesis.strings import Written, write_string
from tenfold.reading.ink import InkMap, ink_map
from tenfold.reading.lines import HEIGHT, LineInk, find_lines, without_rules
from tenfold.reading.normalise import frame
from tenfold.reading.segmentation import Seams, Segment, find_seams, find_segments
from tenfold.values.dataset import Dataset

NOTHING = "not a digit"
WHOLE, FOREIGN = 0.93, 0.12
"""A segment with this share of a digit's ink and at most that of others is that digit ..."""
PART, MIXED = 0.75, 0.2
"""... and one with less, or with more, is none; in between nobody is asked."""
MARGIN = 6
RARE = 3

Example = tuple[NDArray[np.uint8], int]


@dataclass(frozen=True)
class Amounts:
    """How many examples of each kind there are, besides the digits themselves."""

    written: int = 30_000
    """Digits by other hands."""
    strings: int = 8_000
    """Lines from which the digits and ``wrong`` wrong cuts each are taken."""
    wrong: int = 6
    nothing: int = 60_000
    """Letters, signs, curls, scribbles, clothes and noise."""
    scanned: int = 30_000
    """Digits by other hands, of few pixels."""
    drawn: int = 24_000
    """Digits in shapes that MNIST lacks; of those that are written, in lines too, or scanned, one in :data:`RARE` is of
    them.
    """
    quick: float = 0.4
    """The share of those that fast hands write."""
    chained: float = 0.45
    """The share of lines that end with noughts, and of those with some side by side in which they are written in one
    go.
    """


def lessons(digits: Dataset, seed: int, part: int = 0, parts: int = 1, amounts: Amounts = Amounts()) -> Dataset:
    """The examples of one part of ``parts``; class 10 is :data:`NOTHING`. First come the part's digits as they are.

    Args:
        digits: MNIST's training set, or one like it: grey, 28 x 28, ten classes.
        seed: decides all that is random, together with ``part``.
        part: from 0; it has the digits number ``part``, ``part + parts`` and so on.
        parts: how many there are.
        amounts: of all parts together.
    """
    images, labels, nothing = digits.images[:, 0], digits.truth, len(digits.class_names)
    rng = np.random.default_rng([seed, part])
    own = range(part, len(images), parts)
    examples: list[Example] = [(frame(images[row].astype(np.float32) / 255), int(labels[row])) for row in own]
    known = len(images)
    images, labels = with_allographs(images, labels, rng, amounts.drawn // parts, amounts.quick)
    for row in _some(known, len(images), amounts.written // parts, rng).tolist():
        ink = written(images[row], int(labels[row]), Hand.draw(rng), rng, 40)
        examples.append((frame(ink), int(labels[row])))
    noughts = np.flatnonzero(labels == 0)
    for _ in range(amounts.strings // parts):
        rows = _some(known, len(images), int(rng.integers(2, 7)), rng)
        if rng.random() < amounts.chained:
            last = int(rng.integers(1, len(rows)))
            rows[last:] = rng.choice(noughts, len(rows) - last)
        line = write_string(images[rows], labels[rows], rng, height=int(rng.integers(22, 64)), chained=amounts.chained)
        examples += from_line(line, nothing, rng, amounts.wrong)
    examples += extra_lessons(images, labels, known, np.random.default_rng([seed, part, 1]), nothing, parts, amounts)
    return Dataset(
        np.stack([image for image, _ in examples])[:, None],
        np.array([label for _, label in examples], np.int64),
        np.arange(1, len(examples) + 1),
        (*digits.class_names, NOTHING),
    )


def _some(known: int, count: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(size,) rows of ``count``, one in :data:`RARE` of those from ``known`` on, if there are any."""
    rows = rng.integers(0, known, size)
    rare = (rng.random(size) * RARE < 1) & (count > known)
    return np.where(rare, rng.integers(known, max(count, known + 1), size), rows)


def extra_lessons(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    known: int,
    rng: np.random.Generator,
    nothing: int,
    parts: int,
    amounts: Amounts,
) -> Iterator[Example]:
    """What is no digit, and digits of few pixels; drawn from a stream of their own, so that other amounts leave the
    rest.
    """
    for _ in range(amounts.nothing // parts):
        yield (frame(non_digit(rng)) if rng.random() < 0.93 else _mirrored(images, labels, rng)), nothing
    for row in _some(known, len(images), amounts.scanned // parts, rng).tolist():
        ink = written(images[row], int(labels[row]), Hand.draw(rng), rng, 40)
        yield frame(scanned(ink, rng)), int(labels[row])


def from_line(line: Written, nothing: int, rng: np.random.Generator, most: int) -> Iterator[Example]:
    """The digits of a line as reading finds them, and at most ``most`` segments that are none."""
    picture = photographed(line.ink, Paper.draw(rng), rng, MARGIN)
    page = ink_map(picture)
    lines = find_lines(InkMap(page.ink, without_rules(page.mask), page.bright))
    if not lines:
        return
    found = max(lines, key=lambda each: float(each.ink.sum()))
    seams = find_seams(found.ink)
    segments = find_segments(found.ink, seams)
    mass = _masses(line, found, seams)
    total = mass.sum(axis=0)
    wrong = []
    for segment in segments:
        inside = mass[segment.first : segment.last].sum(axis=0)
        shares = inside[1:] / np.maximum(total[1:], 1)
        best = int(shares.argmax())
        others = (inside.sum() - inside[1 + best]) / max(total[1 + best], 1)
        if shares[best] >= WHOLE and others <= FOREIGN:
            yield segment.image, int(line.text[best])
        elif segment.mass > 0 and (shares[best] < PART or others > MIXED) and not _two_ones(segment, line.text, shares):
            wrong.append(segment)
    for i in rng.permutation(len(wrong))[:most].tolist():
        if not _like_a_one(wrong[i].bottom - wrong[i].top, wrong[i].right - wrong[i].left):
            yield wrong[i].image, nothing


def _masses(line: Written, found: LineInk, seams: Seams) -> NDArray[np.float64]:
    """(pieces, 1 + digits) how much ink of marks (0) and of each digit is in each piece."""
    owners, ink = np.pad(line.owners, MARGIN), np.pad(line.ink, MARGIN)
    each = [np.where(owners == i, ink, 0).astype(np.float32) for i in range(len(line.text) + 1)]
    return np.stack([_per_piece(found.straightened(mine), seams) for mine in each], axis=1)


def _per_piece(values: NDArray[np.float32], seams: Seams) -> NDArray[np.float64]:
    """(len(seams) - 1,) the sum of (h, w) between each two neighbouring seams."""
    x = np.arange(values.shape[1])
    piece = (seams.columns[1:-1, :, None] <= x).sum(axis=0)
    return np.bincount(piece.ravel(), values.ravel(), minlength=len(seams) - 1).astype(np.float64)


def _like_a_one(height: int, width: int) -> bool:
    """Whether a piece is an upright bar: to call it no digit would unteach ones."""
    return height > 0.6 * HEIGHT and width < 0.25 * HEIGHT


def _two_ones(segment: Segment, text: str, shares: NDArray[np.float64]) -> bool:
    """Whether two ones that touch are in it: leaning together they are a one with an upstroke."""
    inside = [text[i] for i in np.flatnonzero(shares > 1 - PART)]
    return inside == ["1", "1"] and segment.gap == 0


def _mirrored(images: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A three, four or seven in the mirror."""
    while True:
        row = int(rng.integers(len(images)))
        if labels[row] in (3, 4, 7):
            return frame(images[row, :, ::-1].astype(np.float32) / np.float32(255))
