"""The ink of a page -> its lines of writing, each straight, upright and of one height.

Components are chained from left to right where they lie beside each other; what is small - dots, commas, the
parts of a broken stroke - goes to the line it lies in. A line is scaled so that its digits are :data:`HEIGHT`
pixels tall, and sheared so that they stand upright, which parts slanting neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import DataError, Problem
from tenfold.reading.components import Boxes, boxes, crossings, label
from tenfold.reading.ink import Ink, InkMap, dilated, resized
from tenfold.reading.normalise import sheared

SPECK = 0.12
"""A component smaller than this share of the largest one, in both directions, is a speck."""
RULE = 0.6
"""A thin run of ink over this share of the picture's width, from side to side, is a ruled line ..."""
UPRIGHT = 0.85
"""... and beside such lines one over this share of its height, too."""
THICKEST = 0.04
"""Share of the picture's height that a line may be thick."""
EDGE = 0.03
"""A line begins and ends this close to the picture's sides, as a share of its width."""
SMALLEST = 40
"""Pixels; in smaller pictures nothing is told from a stroke."""


def cleaned(ink: InkMap) -> InkMap:
    """The ink without specks and ruled lines."""
    mask = without_rules(ink.mask)
    if not mask.any():  # nothing but lines: a dash, or a one on its side
        mask = ink.mask
    labels, count = label(mask)
    if count > 1:
        found = boxes(labels, count)
        size = np.maximum(found.width, found.height)
        kept = np.concatenate([[False], size >= SPECK * size.max()])
        mask = kept[labels]
    near = dilated(mask, 1)
    return replace(ink, mask=mask, ink=np.where(near, ink.ink, 0).astype(np.float32))


def without_rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` (H, W) without ruled lines; where strokes cross them, they stay.

    Upright lines are looked for only beside level ones, as in a grid, and no thicker: alone they are ones.
    """
    without, thick = _without_rows(mask, RULE, max(3, THICKEST * len(mask)))
    if thick == 0:
        return mask
    return _without_rows(without.T, UPRIGHT, 1.5 * thick + 1)[0].T


def _without_rows(mask: NDArray[np.bool_], least: float, thickest: float) -> tuple[NDArray[np.bool_], int]:
    """``mask`` without thin runs over ``least`` of its width, and how thick they were; 0 if there were none."""
    if mask.shape[1] < SMALLEST:
        return mask, 0
    edge = max(2, round(EDGE * mask.shape[1]))
    begins = dilated(mask[:, :edge].max(axis=1, keepdims=True), 2)[:, 0]
    leaves = dilated(mask[:, -edge:].max(axis=1, keepdims=True), 2)[:, 0]
    rows = (mask.mean(axis=1) >= least) & begins & leaves
    if not rows.any():
        return mask, 0
    tall = run_heights(mask)
    thick = int(np.median(tall[rows][mask[rows]]))
    if thick > thickest:
        return mask, 0
    line = dilated(np.broadcast_to(rows[:, None], mask.shape), 1) & mask & (tall <= thick + 2)
    return mask & ~line, thick


def run_heights(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(H, W) how tall the vertical run of ink through each pixel is; 0 outside."""
    upright = np.ascontiguousarray(mask.T)
    change = np.diff(np.pad(upright, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    tall = np.flatnonzero(change == -1) - np.flatnonzero(change == 1)  # ends come in the order of their begins
    found = np.zeros(upright.shape, np.int32)
    found[upright] = np.repeat(tall, tall)
    return found.T


LEAST_HEIGHT = 5
"""Pixels of the page: lower components are no digits, but specks or parts of digits."""
MOST_COMPONENTS, MOST_LINES = 5_000, 200
"""On a page: the tallest components and the longest lines are read. What fills a page with more is no writing, and must
not cost minutes."""
MOST_DIGITS = 1_500
"""On a page, by its ink; a page of 480 takes seconds."""
HEIGHT = 48
"""Pixels from the top to the bottom of a digit in a line."""
MAJOR = 0.5
"""Components of this share of the usual height, or taller, are digits or several of them; the others are parts or
marks.
"""
CARRIES = 0.25
"""A part or mark of this share of a line's height, or taller, carries the line on to what lies beyond it."""
REMAINS = 3.0
"""What is left of a ruled line is at least this many times wider than tall."""
BOWLS = 1.4
"""A column of a dash is crossed once from top to bottom, one of joined noughts about twice."""
STEEPEST = 0.7
"""The largest shear, pixels across for one down: 35 degrees."""
LEANING = 1.2
"""Strokes lean this much more than the mean of their edges, among which are those of bows."""
HARMLESS = 0.2
"""Writing that leans less is read as well as it stands."""


@dataclass(frozen=True)
class LineInk:
    """One line, ready to be cut.

    Attributes:
        ink: (h, w) strength, digits about :data:`HEIGHT` pixels tall.
        top: where the digits begin in it, pixels.
        scale: pixels of ``ink`` for one of the page.
        left, above: where its upper left corner lies on the page.
        width, height: of its part of the page.
        slope: it was sheared: row y of the page's pixels moved left by ``slope * (y - fixed_row)``, then right by
            ``moved``.
        fixed_row: see there.
        moved: see there.
    """

    ink: Ink
    top: float
    scale: float
    left: int
    above: int
    width: int
    height: int
    slope: float
    fixed_row: float
    moved: float

    def straightened(self, page: NDArray[np.float32]) -> Ink:
        """Values (H, W) of the whole page as they lie in ``ink``."""
        crop = page[self.above : self.above + self.height, self.left : self.left + self.width]
        return _scaled(sheared(crop, self.slope, self.fixed_row), self.scale)

    def on_page(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The page's coordinates of points of ``ink``."""
        row = y / self.scale
        return self.left + x / self.scale - self.moved + self.slope * (row - self.fixed_row), self.above + row


def find_lines(page: InkMap, name: str = "the picture", most_digits: int = MOST_DIGITS) -> list[LineInk]:
    """The lines of ``page`` from top to bottom.

    Raises:
        DataError: naming ``name``, which has ink for more than ``most_digits`` digits.
    """
    labels, count = label(page.mask)
    if not count:
        return []
    found = boxes(labels, count)
    major = _majors(found, crossings(labels, count)) & (found.height >= LEAST_HEIGHT)
    tallest = np.argsort(-found.height, kind="stable")
    major[tallest[MOST_COMPONENTS:]] = False
    chains = sorted(_chains(found, major), key=len, reverse=True)[:MOST_LINES]
    minors = np.sort(tallest[~major[tallest]][:MOST_COMPONENTS])
    chains = _with_minors(found, chains, minors)
    chains.sort(key=lambda chain: float(np.median((found.top + found.bottom)[chain])))
    digits = sum(_digits_that_fit(found, [i for i in chain if major[i]]) for chain in chains)
    if digits > most_digits:
        expected = f"at most {most_digits:,}; cut the page into parts, or clean it of its pattern"
        raise DataError(Problem(name, f"ink for some {digits:,.0f} digits", expected))
    return [_line(page.ink, labels, found, chain, major) for chain in chains]


def _digits_that_fit(found: Boxes, chain: list[int]) -> float:
    """How many digits as wide as they are tall fit into a line."""
    width = found.right[chain].max() - found.left[chain].min()
    return float(width / np.median(found.height[chain]))


def _majors(found: Boxes, crossed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(M,) which components are as tall as digits; ``crossed`` (M,) tells rows of joined noughts from dashes."""
    height = found.height.astype(np.float64)
    flat = (found.width > 4 * height) & (crossed < BOWLS)  # dashes and what is left of rules
    candidates = np.where(flat, 0, height)
    # the height that most ink has, so that many specks do not outvote few digits
    order = np.argsort(candidates)
    weight = candidates[order] ** 2
    usual = candidates[order][np.searchsorted(weight.cumsum(), 0.5 * weight.sum())] if weight.sum() else height.max()
    result: NDArray[np.bool_] = (candidates >= MAJOR * usual) if weight.sum() else height >= height.max()
    return result


def _chains(found: Boxes, major: NDArray[np.bool_]) -> list[list[int]]:
    """The major components, line by line, each from left to right."""
    chains: list[list[int]] = []
    tops, bottoms, heights = found.top.tolist(), found.bottom.tolist(), found.height.tolist()
    for i in sorted(np.flatnonzero(major).tolist(), key=lambda k: int(found.left[k])):
        best, best_overlap = None, 0.0
        for chain in chains:
            for last in chain[-2:]:
                shared = min(bottoms[i], bottoms[last]) - max(tops[i], tops[last])
                overlap = shared / min(heights[i], heights[last])
                if overlap > max(0.4, best_overlap):
                    best, best_overlap = chain, overlap
        if best is None:
            chains.append([i])
        else:
            best.append(i)
    return chains


def _with_minors(found: Boxes, chains: list[list[int]], minors: NDArray[np.int64]) -> list[list[int]]:
    """``chains`` with each small component in the chain it lies in or near; what is far from all is dropped.

    The larger ones carry a chain on, so that a row of small noughts behind large digits belongs to it to the last. Flat
    ones
    over or under the digits are what is left of a faint ruled line, and dropped.
    """
    like_a_rule = found.width > REMAINS * found.height
    bodies = [(float(np.median(found.top[c])), float(np.median(found.bottom[c]))) for c in chains]
    bands = [(found.top[c].min(), found.bottom[c].max(), found.left[c].min(), found.right[c].max()) for c in chains]
    grown = [list(chain) for chain in chains]
    middle_x, middle_y = (found.left + found.right) / 2, (found.top + found.bottom) / 2
    remaining = sorted(minors.tolist(), key=lambda i: float(middle_x[i]))
    for sweep in (1, -1):  # lines grow to the right in the first, to the left in the second
        far = []
        for i in remaining[::sweep]:
            for k, (top, bottom, left, right) in enumerate(bands):
                height = bottom - top
                highest, lowest = bodies[k] if like_a_rule[i] else (top - 0.2 * height, bottom + 0.2 * height)
                if (
                    highest <= middle_y[i] <= lowest
                    and left - height <= found.right[i]
                    and found.left[i] <= right + height
                ):
                    grown[k].append(i)
                    if found.height[i] >= CARRIES * height:
                        bands[k] = (top, bottom, min(left, found.left[i]), max(right, found.right[i]))
                    break
            else:
                far.append(i)
        remaining = far[::sweep]
    return grown


def _line(ink: Ink, labels: NDArray[np.int32], found: Boxes, chain: list[int], major: NDArray[np.bool_]) -> LineInk:
    left, right = int(found.left[chain].min()) - 1, int(found.right[chain].max()) + 1
    top, bottom = int(found.top[chain].min()) - 1, int(found.bottom[chain].max()) + 1
    left, top = max(left, 0), max(top, 0)
    window = (slice(top, bottom), slice(left, right))
    mine = dilated(np.isin(labels[window], np.array(chain) + 1), 1)
    crop = np.where(mine, ink[window], 0).astype(np.float32)
    large = [i for i in chain if major[i]]
    digit_height = float(np.median(found.height[large]))
    scale = HEIGHT / digit_height
    slope = slant(crop)
    fixed_row = (len(crop) - 1) / 2
    scaled = _scaled(sheared(crop, slope, fixed_row), scale)
    moved = float(-np.floor((-slope * (np.array([0, len(crop) - 1]) - fixed_row)).min()))
    first = (float(np.median(found.top[large])) - top) * scale
    return LineInk(scaled, first, scale, left, top, crop.shape[1], crop.shape[0], slope, fixed_row, moved)


def slant(ink: Ink) -> float:
    """Pixels that upright strokes lean to the right for one down (negative: they lean like italics), less what needs no
    shear.

    From the directions of edges that are nearer to upright than to level (Bozinovic & Srihari 1989 estimate it so):
    unlike
    sums along columns they are not fooled by noughts in a row, of which one's left wall lies over the next one's right.
    """
    smooth = _smoothed(ink)
    if min(smooth.shape) < 2:
        return 0.0
    down, across = (np.asarray(each, np.float64) for each in np.gradient(smooth))
    steep = np.abs(across) > np.abs(down)
    down, across = down[steep], across[steep]
    strength = across**2 + down**2
    if not strength.any():
        return 0.0
    lean = LEANING * float((strength * -down / across).sum() / strength.sum())
    return float(np.clip(np.sign(lean) * max(0.0, abs(lean) - HARMLESS), -STEEPEST, STEEPEST))


def _smoothed(ink: Ink) -> Ink:
    """(H, W) averaged over 3 x 3 pixels, the middle ones counting more."""
    framed = np.pad(ink, 1)
    rows = (framed[:-2] + 2 * framed[1:-1] + framed[2:]) / 4
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4).astype(np.float32)


def _scaled(ink: Ink, scale: float) -> Ink:
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    return resized(ink, height, width)
