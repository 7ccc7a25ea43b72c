"""Drawings that are no digits: seven shapes in colour, 32x32 pixels, as a class exercise would have them."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from tenfold.values.dataset import Dataset

NAMES = ("circle", "cross", "diamond", "ring", "square", "star", "triangle")
SIDE = 32


def shapes(of_each: int, seed: int) -> Dataset:
    """``of_each`` drawings of every shape, dark on light, uint8 (N, 3, 32, 32)."""
    draw = np.random.default_rng(seed)
    images = [_drawn(name, draw).transpose(2, 0, 1) for name in NAMES for _ in range(of_each)]
    labels = np.repeat(np.arange(len(NAMES)), of_each)
    return Dataset(np.stack(images), labels, np.arange(len(labels)), NAMES)


def _drawn(name: str, draw: np.random.Generator) -> np.ndarray:
    side = 4 * SIDE
    paper, ink = (tuple(int(v) for v in draw.integers(*levels, 3)) for levels in ((150, 256), (0, 140)))
    picture = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(picture)
    radius, turn = draw.uniform(0.2, 0.38) * side, draw.uniform(-0.25, 0.25)
    x, y = draw.uniform(0.42, 0.58, 2) * side

    def corners(count: int, *reach: float, turned: float = turn, wide: float = 1.0) -> list[tuple[float, float]]:
        steps = [(reach[i % len(reach)] * radius, turned + 2 * pi * i / count) for i in range(count)]
        return [(x + wide * far * sin(angle), y - far * cos(angle)) for far, angle in steps]

    if name in ("circle", "ring"):
        box = (x - radius, y - radius, x + radius, y + radius)
        look = {"fill": ink} if name == "circle" else {"outline": ink, "width": int(radius / 4)}
        pen.ellipse(box, **look)
    elif name == "cross":
        for a, b in ((0, 2), (1, 3)):
            ends = corners(4, 1.0)
            pen.line([ends[a], ends[b]], fill=ink, width=int(radius / 3))
    else:
        points = {
            "square": lambda: corners(4, 1.0, turned=turn + pi / 4),
            "diamond": lambda: corners(4, 1.0, wide=0.7),
            "triangle": lambda: corners(3, 1.0),
            "star": lambda: corners(10, 1.0, 0.42),
        }
        pen.polygon(points[name](), fill=ink)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
