"""Digits as strokes: points (x, y) in 0..1 of the pad's height, as a hand would draw them."""

import math
from itertools import pairwise

Stroke = list[tuple[float, float]]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 24) -> Stroke:
    """Part of an ellipse, degrees from the right, clockwise."""
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def line(*points: tuple[float, float], steps: int = 8) -> Stroke:
    """Straight from point to point."""
    made = [points[0]]
    for (x, y), (u, v) in pairwise(points):
        made += [(x + (u - x) * i / steps, y + (v - y) * i / steps) for i in range(1, steps + 1)]
    return made


DIGITS: dict[str, list[Stroke]] = {
    "0": [arc(0.5, 0.5, 0.2, 0.32, -90, 270)],
    "1": [line((0.52, 0.18), (0.48, 0.82))],
    "2": [[*arc(0.5, 0.34, 0.18, 0.16, 190, 400), *line((0.62, 0.46), (0.32, 0.8), (0.72, 0.8))]],
    "3": [[*arc(0.47, 0.34, 0.18, 0.16, 200, 450), *arc(0.47, 0.66, 0.2, 0.17, -90, 150)]],
    "4": [line((0.55, 0.15), (0.3, 0.55), (0.75, 0.55)), line((0.6, 0.38), (0.58, 0.85))],
    "5": [line((0.68, 0.2), (0.4, 0.2), (0.37, 0.46)), arc(0.48, 0.62, 0.18, 0.19, -120, 140)],
    "6": [[*line((0.6, 0.17), (0.42, 0.38), (0.36, 0.6)), *arc(0.5, 0.66, 0.14, 0.15, 190, 550)]],
    "7": [line((0.3, 0.22), (0.7, 0.22), (0.45, 0.82))],
    "8": [[*arc(0.5, 0.34, 0.15, 0.15, 90, 450), *arc(0.5, 0.66, 0.17, 0.17, -90, 270)]],
    "9": [[*arc(0.5, 0.35, 0.15, 0.15, 0, 360), *line((0.65, 0.36), (0.62, 0.6), (0.58, 0.84))]],
}


def shifted(strokes: list[Stroke], right: float, scale: float = 1.0) -> list[Stroke]:
    """The same further right, and smaller about the middle of the height."""
    return [[(right + x * scale, 0.5 + (y - 0.5) * scale) for x, y in stroke] for stroke in strokes]
