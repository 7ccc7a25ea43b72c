"""Things that are no digits: letters, signs, curls, scribbles, clothes and noise, as strokes of a shaky hand or as
blots.

Letters and signs that look like digits - I, l, O, S, Z, ^ and their kin - are not among them: nobody can tell those
apart without
the word around them. Curls stand for the letters of all other scripts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lab.synthesis.prints import printed
from lab.synthesis.scans import scanned
from tenfold.reading.ink import Ink

SIDE = 96
LETTERS = {
    "A": "08 40 88|25 65",
    "B": "08 00 50 72 54 04|54 86 68 08",
    "C": "82 60 20 02 06 28 68 86",
    "D": "00 08 48 76 85 83 72 40 00",
    "E": "80 00 08 88|04 64",
    "F": "80 00 08|04 54",
    "G": "82 50 11 04 17 58 86 84 54",
    "H": "00 08|80 88|04 84",
    "J": "30 80|60 66 48 17",
    "K": "00 08|80 04 88",
    "L": "00 08 88",
    "M": "08 10 45 80 88",
    "N": "08 00 88 80",
    "P": "08 00 60 82 64 04",
    "Q": "40 12 15 38 67 84 62 40|56 89",
    "R": "08 00 60 82 64 04|44 88",
    "T": "00 80|40 48",
    "U": "00 06 28 68 86 80",
    "V": "00 48 80",
    "W": "00 28 42 68 80",
    "X": "00 88|80 08",
    "Y": "00 44 80|44 48",
    "a": "82 40 12 16 48 86|80 87 98",
    "c": "71 40 03 05 48 77",
    "d": "84 43 05 07 48 86|80 88",
    "e": "04 84 71 40 13 16 48 77",
    "f": "71 50 32 38|14 64",
    "h": "00 08|05 43 75 78",
    "i": "33 37 48 67|30 31",
    "j": "53 57 38 17|50 51",
    "k": "00 08|73 05 78",
    "m": "03 08|04 23 44 48|44 63 84 88",
    "n": "03 08|05 43 75 78",
    "p": "03 09|04 43 75 67 38 07",
    "r": "03 08|05 33 63",
    "t": "30 37 58 77|12 62",
    "u": "03 07 38 77|73 78",
    "v": "03 48 83",
    "w": "03 28 44 68 83",
    "x": "03 88|83 08",
    "y": "03 46|83 39",
    "+": "40 48|04 84",
    "=": "03 83|06 86",
    "?": "02 20 60 82 64 45|48 49",
    "&": "88 31 40 62 17 38 85",
    "@": "64 43 35 56 64 66 85 82 40 03 07 39 78",
    "#": "20 18|70 68|02 82|06 86",
    "%": "80 08|10 02 22 10|76 68 88 76",
    "$": "71 40 12 76 48 17|40 49",
    "*": "40 48|02 86|82 06",
    "<": "80 04 88",
    "(": "60 23 25 68",
    "~": "05 23 65 83",
}
"""Polylines through points of a grid of 9 x 9, x before y."""


def non_digit(rng: np.random.Generator) -> Ink:
    """The ink (H, W) of something that is no digit."""
    kinds: list[Callable[[np.random.Generator], Ink]] = [
        *[letter] * 6,
        *[printed] * 8,
        curl,
        curl,
        *[scribble] * 6,
        cloth,
        cloth,
        noise,
        several_letters,
    ]
    return kinds[rng.integers(len(kinds))](rng)


def letter(rng: np.random.Generator, name: str | None = None) -> Ink:
    """A letter or a sign, by one of many hands."""
    name = name or list(LETTERS)[rng.integers(len(LETTERS))]
    strokes = [
        np.array([[int(xy[0]), int(xy[1])] for xy in part.split()], np.float64) for part in LETTERS[name].split("|")
    ]
    shake, round_ = rng.uniform(0.1, 0.6), rng.random() < 0.7
    strokes = [stroke + rng.normal(0, shake, stroke.shape) for stroke in strokes]
    if rng.random() < 0.3:
        strokes += _serifs(strokes, rng)
    ink = drawn([smooth(stroke) if round_ else stroke for stroke in strokes], rng, nib=rng.random() < 0.3)
    return scanned(ink, rng) if rng.random() < 0.2 else ink


def several_letters(rng: np.random.Generator) -> Ink:
    """Two or three letters side by side."""
    parts = [letter(rng) for _ in range(int(rng.integers(2, 4)))]
    height = max(len(part) for part in parts)
    level = [np.pad(part, ((height - len(part), 0), (0, 0))) for part in parts]
    return np.concatenate([part[:, : part.shape[1] - int(rng.integers(0, 20))] for part in level], axis=1)


def curl(rng: np.random.Generator) -> Ink:
    """Loops and bows that go over into each other, three to six of them, perhaps with a stroke beside."""
    heading, place, points = rng.uniform(0, 2 * np.pi), np.zeros(2), [np.zeros(2)]
    turns = rng.choice([-1, 1], int(rng.integers(3, 7)))
    if abs(turns.sum()) == len(turns):  # turned one way only it would be a nought, a six or a nine
        turns[1] *= -1
    for turn in turns:
        radius = np.exp(rng.uniform(np.log(0.6), np.log(3)))
        for _ in range(max(2, round(np.radians(rng.uniform(70, 330)) / 0.35))):
            heading += turn * 0.35
            place = place + 0.35 * radius * np.array([np.cos(heading), np.sin(heading)])
            points.append(place)
    strokes = [np.array(points)]
    low, size = strokes[0].min(axis=0), max(float(np.ptp(strokes[0], axis=0).max()), 1.0)
    strokes[0] = (strokes[0] - low) * (8 / size)
    if rng.random() < 0.3:
        strokes.append(smooth(rng.uniform(0, 8, (int(rng.integers(2, 4)), 2))))
    return drawn(strokes, rng)


def scribble(rng: np.random.Generator) -> Ink:
    """One to four random strokes."""
    strokes = []
    for _ in range(int(rng.integers(1, 5))):
        points = rng.uniform(0, 8, (int(rng.integers(2, 9)), 2))
        strokes.append(smooth(points) if rng.random() < 0.8 else points)
    if len(strokes) == 1 and len(strokes[0]) < 5:  # a single short line is a one
        return scribble(rng)
    return drawn(strokes, rng)


def cloth(rng: np.random.Generator) -> Ink:
    """A filled silhouette, alike on both sides, perhaps with a pattern or with legs: clothes, bags, shoes, blots."""
    canvas = Image.new("L", (SIDE, SIDE))
    count = int(rng.integers(3, 8))
    y = np.sort(rng.uniform(4, SIDE - 4, count))
    widest = rng.uniform(14, 24) if rng.random() < 0.3 else SIDE / 2 - 4  # a dress is narrow, but no stroke of a pen
    half = rng.uniform(12 if widest < SIDE / 4 else 8, widest, count)
    middle = SIDE / 2 + (rng.normal(0, 10, count) if rng.random() < 0.3 else 0)
    left, right = np.stack([middle - half, y], 1), np.stack([middle + half, y], 1)
    pen = ImageDraw.Draw(canvas)
    pen.polygon([tuple(p) for p in [*left, *right[::-1]]], fill=int(rng.integers(120, 256)))
    if rng.random() < 0.25:  # legs
        fork, gap = y[0] + rng.uniform(0.1, 0.5) * (y[-1] - y[0]), rng.uniform(0.1, 0.5) * half[-1]
        pen.polygon([(SIDE / 2, fork), (SIDE / 2 - gap, SIDE), (SIDE / 2 + gap, SIDE)], fill=0)
    levels = np.asarray(canvas.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255
    if rng.random() < 0.6:
        row, column = np.mgrid[0:SIDE, 0:SIDE]
        wave = np.sin((row * rng.normal() + column * rng.normal()) * rng.uniform(0.1, 0.8))
        levels = levels * (0.75 + 0.25 * wave)
    return levels.astype(np.float32)


def noise(rng: np.random.Generator) -> Ink:
    """Noise of some grain, hard or soft, everywhere or in one blot."""
    side = int(rng.integers(4, 40))
    grain = Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR
    )
    levels = np.asarray(grain, np.float32) / 255
    if rng.random() < 0.5:
        levels = (levels > rng.uniform(0.4, 0.8)).astype(np.float32)
    if rng.random() < 0.4:
        y, x = (np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2) / SIDE
        levels = levels * (np.hypot(y, x) < rng.uniform(0.2, 0.5))
    return levels.astype(np.float32)


def _serifs(strokes: list[NDArray[np.float64]], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Short level bars at the ends of strokes, as in print."""
    half = rng.uniform(0.5, 1.2)
    return [end + np.array([[-half, 0], [half, 0]]) for stroke in strokes for end in (stroke[0], stroke[-1])]


def drawn(
    strokes: list[NDArray[np.float64]],
    rng: np.random.Generator,
    *,
    nib: bool = False,
    pen: tuple[float, float] = (3, 15),
) -> Ink:
    """``strokes`` on a grid of 9 x 9 as ink, 72 pixels tall.

    Args:
        strokes: each (N, 2), x before y, 0..8.
        rng: decides slant, width and pen.
        nib: whether upright strokes are thick and level ones thin.
        pen: bounds of its thickness, pixels.
    """
    slant, wide = rng.normal(0, 0.2), np.exp(rng.normal(-0.2, 0.25))
    matrix = np.array([[wide, 0], [-slant, 1]]) * (SIDE - 24) / 8
    points = [stroke @ matrix for stroke in strokes]
    low = np.min([p.min(axis=0) for p in points], axis=0)
    high = np.max([p.max(axis=0) for p in points], axis=0)
    canvas = Image.new("L", (int(high[0] - low[0]) + 24, int(high[1] - low[1]) + 24))
    page, width = ImageDraw.Draw(canvas), max(2, int(rng.uniform(pen[0], 8 if nib else pen[1])))
    for stroke in points:
        placed = [(float(x), float(y)) for x, y in stroke - low + 12]
        for shift in range(0, 2 * width if nib else 1, max(1, width // 2)):
            page.line([(x + shift - (width if nib else 0), y) for x, y in placed], fill=255, width=width, joint="curve")
        for x, y in (placed[0], placed[-1]):
            page.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2))), np.float32) / np.float32(255)


def smooth(points: NDArray[np.float64], steps: int = 8) -> NDArray[np.float64]:
    """A Catmull-Rom spline through ``points``."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, points[-1:]])
