"""Noughts written as a chain, without lifting the pen: how fast hands end 500 and 10,000."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lab.synthesis.glyphs import smooth
from tenfold.reading.ink import Ink

FINER = 3
"""Drawn on a grid this many times finer."""
STEP = 0.35
"""Radians from one point of a ring to the next."""


def chain(count: int, height: float, rng: np.random.Generator) -> list[tuple[Ink, float, float]]:
    """``count`` noughts, about ``height`` pixels tall: for each its ink, and where its left and top lie from the
    first's corner.

    Each begins near its top, runs round against the clock, a little too far or not quite, and goes on to the next with
    a dip,
    straight, or over the top; neighbours may share a wall. Half of each stroke between two belongs to each.
    """
    wide, tall = rng.uniform(0.5, 1.6) * height / 2, height / 2
    gap = rng.uniform(-0.12, 0.45) * height
    begin, over = -np.pi / 2 + rng.normal(0, 0.45), rng.normal(0.3, 0.5)
    dip, slant, uneven = rng.normal(0.08, 0.12) * height, rng.normal(0, 0.2), rng.uniform(0.02, 0.12)
    shape = rng.uniform(0.7, 1.0)
    thick = max(1.5, height * rng.uniform(0.06, 0.2))
    lifted = rng.uniform(0, 0.5)
    rings, x = [], wide
    for _ in range(count):
        a, b = wide * np.exp(rng.normal(0, uneven)), tall * np.exp(rng.normal(0, uneven))
        start = begin + rng.normal(0, 0.15)
        turn = np.arange(start, start - 2 * np.pi - over + rng.normal(0, 0.15), -STEP)
        spiral = 1 + rng.normal(0, 0.06) * (turn - start) / (2 * np.pi)
        ring = (
            np.stack([a * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** shape, b * np.sin(turn)], axis=1)
            * spiral[:, None]
        )
        rings.append(ring + np.array([x, tall + rng.normal(0, uneven * tall)]))
        x += 2 * wide + gap
    placed = []
    for i, ring in enumerate(rings):
        points = ring
        if i and rng.random() > lifted:
            middle = (rings[i - 1][-1] + ring[0]) / 2 + np.array([0, dip])
            points = np.concatenate([[middle], points])
        if i + 1 < count and rng.random() > lifted:
            middle = (ring[-1] + rings[i + 1][0]) / 2 + np.array([0, dip])
            points = np.concatenate([points, [middle]])
        points = smooth(points, 4)
        points[:, 0] -= slant * (points[:, 1] - tall)
        placed.append(_stroked(points, thick))
    return placed


def _stroked(points: NDArray[np.float64], thick: float) -> tuple[Ink, float, float]:
    """The ink of a line through ``points`` (N, 2), and its left and top."""
    corner = np.floor(points.min(axis=0) - thick)
    size = np.ceil(points.max(axis=0) + thick - corner).astype(int)
    canvas = Image.new("L", (int(size[0]) * FINER, int(size[1]) * FINER))
    fine = [(float(x), float(y)) for x, y in (points - corner) * FINER]
    ImageDraw.Draw(canvas).line(fine, fill=255, width=max(2, round(thick * FINER)), joint="curve")
    soft = canvas.filter(ImageFilter.GaussianBlur(FINER / 2)).resize((int(size[0]), int(size[1])), Image.Resampling.BOX)
    return np.asarray(soft, np.float32) / np.float32(255), float(corner[0]), float(corner[1])
