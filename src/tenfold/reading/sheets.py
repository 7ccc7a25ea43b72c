"""Where the writing lies in a photo: the sheet on a table, the way it is turned, and boxes that are no writing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.reading.components import boxes, label
from tenfold.reading.ink import dilated, otsu
from tenfold.reading.lines import run_heights
from tenfold.reading.results import Box

Grey = NDArray[np.uint8]
COARSE = 256
"""A sheet is looked for in a picture of at most so many pixels a side."""
LEAST, MOST = 0.08, 0.9
"""Share of the picture that a sheet on a table covers."""
FILLED = 0.95
"""Share of its quadrilateral that a sheet fills, at least."""
BRIGHTER = 40
"""Grey levels that a sheet is brighter than the table."""
INSET = 0.012
"""Share of its sides that is left out all around: the sheet's edge, and its shadow."""
STEEPEST = 40
"""Degrees that a line of writing may climb or fall ..."""
LEVEL = 4
"""... and up to which it is read as it is."""
FAINT_LINES = 0.65
"""Lines with less than this share of the writing's strength are told from it by that."""
CLEARER = 1.3
"""Times as crowded in rows must the ink be after a turn."""


@dataclass(frozen=True)
class View:
    """A part of a picture as it is read.

    Attributes:
        grey: uint8 (h, w).
        matrix: (3, 3), its pixels to the picture's, homogeneous; x before y, corners of pixels are whole numbers.
    """

    grey: Grey
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, grey: Grey) -> View:
        """The picture as it is."""
        return cls(grey, np.eye(3))

    def reduced(self, factor: int) -> View:
        """The same in means of ``factor`` x ``factor`` pixels."""
        if factor == 1:
            return self
        return View(np.asarray(Image.fromarray(self.grey).reduce(factor)), self.matrix @ np.diag([factor, factor, 1]))

    def turned(self, quarters: int) -> View:
        """The same after so many quarter turns against the clock."""
        height, width = self.grey.shape
        back = (
            np.eye(3),
            np.array([[0, -1, width], [1, 0, 0], [0, 0, 1]]),
            np.array([[-1, 0, width], [0, -1, height], [0, 0, 1]]),
            np.array([[0, 1, 0], [-1, 0, height], [0, 0, 1]]),
        )[quarters % 4]
        return View(np.ascontiguousarray(np.rot90(self.grey, quarters)), self.matrix @ back)

    def box(self, box: Box) -> Box:
        """Around the picture's pixels that show ``box``."""
        if (self.matrix == np.eye(3)).all():
            return box
        x, y = np.array([box.x, box.x + box.width] * 2), np.repeat([box.y, box.y + box.height], 2)
        across, down, scale = self.matrix @ np.stack([x, y, np.ones(4)])
        left, top, right, bottom = (
            round(float(v))
            for v in ((across / scale).min(), (down / scale).min(), (across / scale).max(), (down / scale).max())
        )
        return Box(left, top, max(1, right - left), max(1, bottom - top))

    def warped(self, matrix: NDArray[np.float64], width: int, height: int, paper: int) -> View:
        """What ``matrix`` (3, 3) brings from here to (height, width); beyond the border is ``paper``."""
        coefficients = (matrix / matrix[2, 2]).ravel()[:8].tolist()
        seen = Image.fromarray(self.grey).transform(
            (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR, fillcolor=paper
        )
        return View(np.asarray(seen), self.matrix @ matrix)


def on_sheet(view: View) -> View:
    """The bright sheet that lies on a darker ground, seen from straight above; the same view if there is none."""
    factor = max(1, -(-max(view.grey.shape) // COARSE))
    height, width = (side // factor * factor for side in view.grey.shape)
    if min(height, width) < 32 * factor:
        return view
    coarse = (
        view.grey[:height, :width].reshape(height // factor, factor, -1, factor).mean(axis=(1, 3), dtype=np.float32)
    )
    bright = coarse > otsu(coarse)
    labels, count = label(bright)
    if not count:
        return view
    sizes = np.bincount(labels.ravel())[1:]
    mine = labels == 1 + int(sizes.argmax())
    sheet = _without_holes(mine)
    share = float(sheet.mean())
    border = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]]).mean()
    if not LEAST <= share <= MOST or border > 0.35 or not (sheet & ~mine).any() or sheet.all():
        return view
    if float(np.median(coarse[mine])) - float(np.median(coarse[~sheet])) < BRIGHTER:
        return view
    corners = _corners(sheet)
    inside = _area(corners)
    if not 0.9 <= sheet.sum() / max(inside, 1) <= 1 / FILLED or min(_sides(corners)) < 12:
        return view
    corners = corners * factor
    middle = corners.mean(axis=0)
    corners = middle + (corners - middle) * (1 - 2 * INSET) - np.sign(corners - middle) * factor
    top, right, bottom, left = _sides(corners)
    wide, tall = round(max(top, bottom)), round(max(left, right))
    paper = int(np.median(coarse[mine]))
    return view.warped(_homography(np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]]), corners), wide, tall, paper)


def _without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` and what it surrounds."""
    labels, _ = label(np.pad(~mask, 1, constant_values=True))
    result: NDArray[np.bool_] = (labels != labels[0, 0])[1:-1, 1:-1]
    return result


def _corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(4, 2) upper left, upper right, lower right, lower left.

    They are the farthest points along diagonals or along axes, whichever span more.
    """
    y, x = np.nonzero(mask)
    points = np.stack([x, y], axis=1) + 0.5
    found = []
    for directions in (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), np.array([[0, -1], [1, 0], [0, 1], [-1, 0]])):
        found.append(points[(points @ directions.T).argmax(axis=0)])
    best = max(found, key=_area)
    first = int((best @ [1, 1]).argmin())
    return np.roll(best, -first, axis=0)


def _area(corners: NDArray[np.float64]) -> float:
    x, y = corners.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _sides(corners: NDArray[np.float64]) -> list[float]:
    """Lengths of the upper, right, lower and left side."""
    return np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).tolist()


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3): the perspective that brings four points (4, 2) to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows, np.float64), np.array(values)), 1.0).reshape(3, 3)


def levelled(view: View, mask: NDArray[np.bool_]) -> View:
    """The view with climbing or falling lines made level; the same if they are. ``mask`` (h, w) is its ink."""
    y, x = np.nonzero(mask)
    if len(y) < 30:
        return view
    step = max(1, len(y) // 6000)
    x, y = x[::step] - mask.shape[1] / 2, y[::step] - mask.shape[0] / 2
    found = boxes(*label(mask))
    tall = float(np.sort(found.height)[-max(1, len(found.height) // 2)])
    angles = np.arange(-88, 91, 2)
    crowded = []
    for angle in np.radians(angles):
        rows = (y * np.cos(angle) - x * np.sin(angle)) / max(tall / 5, 1)
        counts = np.bincount((rows - rows.min()).astype(np.int64)).astype(np.float64)
        crowded.append(float(counts @ counts))
    best = int(np.argmax(crowded))
    angle = float(angles[best])
    if not LEVEL < abs(angle) <= STEEPEST or crowded[best] < CLEARER * crowded[int(np.flatnonzero(angles == 0)[0])]:
        return view
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    height, width = view.grey.shape
    wide, tall_ = (round(abs(a * cos) + abs(b * sin)) for a, b in ((width, height), (height, width)))
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    back = (
        np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
        @ turn
        @ np.array([[1, 0, -wide / 2], [0, 1, -tall_ / 2], [0, 0, 1]])
    )
    return view.warped(back, wide, tall_, int(np.median(view.grey)))


def without_boxes(mask: NDArray[np.bool_], contrast: NDArray[np.float32], least: int) -> NDArray[np.bool_]:
    """``mask`` (H, W) without straight thin lines that meet others at right angles: boxes, combs, squares.

    Args:
        mask: the ink.
        contrast: (H, W) how strong it is; where the lines are much fainter than the rest, what is as faint goes too.
        least: pixels of the shortest level line; upright ones may be half as long.
    """
    level, upright = _runs(mask, least), _runs(mask.T, max(least // 2, 8)).T
    crossing = dilated(level, 2) & dilated(upright, 2)
    if not crossing.any():
        return mask
    labels, count = label(dilated(level | upright, 1))
    meets = np.zeros(count + 1, bool)
    meets[np.unique(labels[crossing])] = True
    meets[0] = False
    lines = meets[labels]
    level, upright = level & lines, upright & lines
    drawn = level | upright
    rest = mask & ~dilated(drawn, 1)
    if not drawn.any():
        return mask
    if rest.any():
        faint, full = float(np.percentile(contrast[drawn], 75)), float(np.percentile(contrast[rest], 90))
        if faint < FAINT_LINES * full:
            return mask & (contrast > (faint + full) / 2)
    thick = max(_thickness(level), _thickness(upright.T))
    return mask & ~(
        (level & ~_strokes_across(mask, level, thick)) | (upright & ~_strokes_across(mask.T, upright.T, thick).T)
    )


def _runs(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Pixels in level runs of at least ``least`` pixels that are at most an eighth of that, or 3 pixels, thick."""
    padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    found = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int32)
    rows, begins = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    long = ends - begins >= least
    np.add.at(found, (rows[long], begins[long]), 1)
    np.add.at(found, (rows[long], ends[long]), -1)
    runs: NDArray[np.bool_] = found.cumsum(axis=1)[:, :-1] > 0
    if not runs.any():
        return runs
    tall = run_heights(mask)
    thick = min(max(least // 8, 3), int(np.percentile(tall[runs], 25)) + 1)
    return runs & (tall <= thick)


def _thickness(lines: NDArray[np.bool_]) -> int:
    """Usual height, in pixels, of level lines."""
    columns = lines.any(axis=0)
    if not columns.any():
        return 1
    counts = lines.sum(axis=0)[columns]
    groups = (np.diff(np.pad(lines, ((1, 0), (0, 0))).astype(np.int8), axis=0) == 1).sum(axis=0)[columns]
    return max(1, round(float(np.median(counts / np.maximum(groups, 1)))))


def _strokes_across(mask: NDArray[np.bool_], level: NDArray[np.bool_], thick: int) -> NDArray[np.bool_]:
    """Pixels of level lines over and under which ink goes on: a stroke crosses there."""
    rest = mask & ~level
    above, below = np.zeros_like(mask), np.zeros_like(mask)
    for step in range(1, thick + 2):
        above[step:] |= rest[:-step]
        below[:-step] |= rest[step:]
    return level & above & below
