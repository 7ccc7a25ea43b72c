"""Lines as people write them - amounts, dates, telephone numbers, in boxes and on patterns - with what is written and where."""

from __future__ import annotations  # noqa: I001

import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from tenfold.reading.line_network import CLASSES, CORE, OTHER, ROWS, line_image
from lab.synthesis.allographs import allograph
from lab.synthesis.glyphs import LETTERS
from lab.synthesis.noughts import chain
from lab.synthesis.paper import Paper, photographed
from tenfold.reading.ink import relative_contrast
import itertools

Ink = NDArray[np.float32]
DRAWN = 44
"""Pixels from top to bottom of a digit while a line is drawn."""
WIDEST = 440
"""Columns of a line; what is wider is drawn again."""
SEVEN = {
    0: "abcdef",
    1: "bc",
    2: "abged",
    3: "abgcd",
    4: "fgbc",
    5: "afgcd",
    6: "afgedc",
    7: "abc",
    8: "abcdefg",
    9: "abcdfg",
}
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "DejaVuSansMono",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmtt10",
)
_FONTS = Path(get_data_path()) / "fonts" / "ttf"
BARS = {"a": "0020", "b": "2022", "c": "2224", "d": "0424", "e": "0204", "f": "0002", "g": "0222"}


@dataclass
class Example:
    """One line as the network sees it: uint8 (48, W), its classes, and the columns of their middles."""

    image: NDArray[np.uint8]
    classes: list[int]
    columns: list[float]


@dataclass
class Bank:
    """Digits to write with: crops of uint8 images, by class, from thin to thick."""

    crops: list[list[NDArray[np.uint8]]]
    drawn: list[list[NDArray[np.uint8]]]

    @classmethod
    def of(cls, images: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator, drawn: int) -> Bank:
        """From ``images`` (N, 28, 28) and ``drawn`` glyph variants of each class (ones and sevens twice as many)."""
        ink = images.astype(np.float32) / 255
        edges = np.abs(np.diff(ink, axis=1)).sum((1, 2)) + np.abs(np.diff(ink, axis=2)).sum((1, 2))
        order = np.argsort(ink.sum((1, 2)) / edges, kind="stable")
        crops = [[_crop(images[i]) for i in order if labels[i] == k] for k in range(10)]
        variants = [
            [_crop(allograph(rng, k, 0.4)) for _ in range(drawn * (2 if k in (1, 7) else 1))] for k in range(10)
        ]
        return cls(crops, variants)


@dataclass
class Hand:
    """What all of a line has in common."""

    slant: float
    aspect: float
    weight: float
    gap: float
    uneven: float
    wobble: float
    drift: float
    thin: float
    drawn: float
    small: float
    raised: float
    chained: float
    joined: float
    thick: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Hand:
        touching = rng.random()
        return cls(
            slant=float(rng.normal(-0.05, 0.2)),
            aspect=float(np.exp(rng.normal(0, 0.16))),
            weight=float(rng.uniform(-0.8, 0.9)),
            gap=float(
                rng.uniform(-0.14, 0.05)
                if touching < 0.3
                else rng.uniform(0.0, 0.3)
                if touching < 0.85
                else rng.uniform(0.3, 1.0)
            ),
            uneven=float(rng.uniform(0.03, 0.15)),
            wobble=float(rng.uniform(0, 0.08)),
            drift=float(rng.normal(0, 0.03)),
            thin=float(rng.random()) if rng.random() < 0.65 else -1.0,
            drawn=float(rng.choice([0.1, 0.3, 0.8], p=[0.5, 0.35, 0.15])),
            small=float(rng.uniform(0.4, 1)) if rng.random() < 0.25 else 1.0,
            raised=float(rng.random()),
            chained=float(rng.choice([0, 0.5, 0.95], p=[0.4, 0.2, 0.4])),
            joined=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.12 else 0.0,
            thick=DRAWN * float(rng.uniform(0.06, 0.14)),
        )


@dataclass
class Canvas:
    """Ink that grows to the right; 0 is the top of the digits, DRAWN their feet."""

    pieces: list[tuple[Ink, float, float]] = field(default_factory=list)
    marks: list[tuple[int, float, float]] = field(default_factory=list)
    """Class, x and y of its middle."""
    heights: list[tuple[float, float]] = field(default_factory=list)
    """Top and bottom of what is as tall as digits."""
    right: float = 0.0

    def put(self, ink: Ink, x: float, y: float, name: str | None = None) -> None:
        self.pieces.append((ink, x, y))
        if name is not None:
            self.marks.append((CLASSES.index(name), x + ink.shape[1] / 2, y + ink.shape[0] / 2))
        self.right = max(self.right, x + ink.shape[1])


def _crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(image.max(axis=1) > 30), np.flatnonzero(image.max(axis=0) > 30)
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# ---- what is written


def text(rng: np.random.Generator) -> str:
    """What people write in fields: a space is a gap, ``_`` a small raised or fractional part's beginning, a letter a sign of OTHER."""
    kind = rng.random()
    if kind < 0.24:
        return _number(rng, 1, 9)
    if kind < 0.52:
        return _amount(rng)
    if kind < 0.62:
        return _signed(rng)
    if kind < 0.74:
        return _date(rng)
    if kind < 0.85:
        return _phone(rng)
    if kind < 0.93:
        return _number(rng, 1, 3) + "0" * int(rng.integers(1, 6))
    if kind < 0.96:
        return f"{rng.integers(0, 24)}:{rng.integers(0, 60):02d}" + (
            f":{rng.integers(0, 60):02d}" if rng.random() < 0.3 else ""
        )
    letters = "".join(rng.choice(list("ABCDEFHKLMNPRTWacdefhkmnprtwxv"), int(rng.integers(1, 5))))
    return f"{letters} {_number(rng, 1, 6)}" if rng.random() < 0.6 else f"{_number(rng, 1, 6)} {letters}"


def _number(rng: np.random.Generator, least: int, most: int) -> str:
    return "".join(map(str, rng.integers(0, 10, int(rng.integers(least, most + 1)))))


def _amount(rng: np.random.Generator) -> str:
    whole = _number(rng, 1, 6).lstrip("0") or "5"
    if rng.random() < 0.4 and len(whole) > 1:
        keep = int(rng.integers(1, len(whole)))
        whole = whole[:keep] + "0" * (len(whole) - keep)
    point, group = ((".", ",") if rng.random() < 0.6 else (",", ".")) if rng.random() < 0.9 else (".", " ")
    if len(whole) > 3 and rng.random() < 0.6:
        whole = f"{int(whole):,}".replace(",", group)
    cents = "00" if rng.random() < 0.5 else f"{rng.integers(0, 100):02d}"
    end = rng.random()
    tail = (
        ""
        if end < 0.3
        else f"{point}{cents}"
        if end < 0.6
        else f"{point}-"
        if end < 0.7
        else f"_{cents}"
        if end < 0.8
        else f"_{cents}/100"
        if end < 0.85
        else f"{point}="
        if end < 0.88
        else "/-"
        if end < 0.92
        else "-"
        if end < 0.96
        else "="
    )
    begin = rng.random()
    head = (
        ""
        if begin < 0.62
        else "$"
        if begin < 0.72
        else "#"
        if begin < 0.78
        else "*" * int(rng.integers(1, 4))
        if begin < 0.86
        else "="
    )
    head = head if begin < 0.9 else str(rng.choice(["E ", "R ", "F", "-"]))
    return head + whole + tail + ("#" if head == "#" else "*" if head.startswith("*") and rng.random() < 0.3 else "")


def _signed(rng: np.random.Generator) -> str:
    kind, a = rng.random(), _number(rng, 1, 4)
    if kind < 0.3:
        return "-" + a + ("" if rng.random() < 0.5 else rng.choice([".", ","]) + _number(rng, 1, 2))
    if kind < 0.6:
        return a + str(rng.choice([".", ","])) + _number(rng, 1, 3)
    if kind < 0.75:
        return f"{a}{rng.choice(['+', '-'])}{_number(rng, 1, 3)}" + (
            f"={_number(rng, 1, 4)}" if rng.random() < 0.6 else ""
        )
    return str(rng.choice(["+{}", "({})", "#{}", "{}/{}", "{}-{}", "={}", "{})", "{}."])).format(a, _number(rng, 1, 3))


def _date(rng: np.random.Generator) -> str:
    sign = str(rng.choice(list("//..-- ")))
    day, month = (str(rng.integers(1, most)) for most in (32, 13))
    if rng.random() < 0.6:
        day, month = day.zfill(2), month.zfill(2)
    year = str(rng.integers(1940, 2035))
    year = year if rng.random() < 0.7 else year[2:]
    return sign.join([year, month, day] if rng.random() < 0.2 else [day, month, year])


def _phone(rng: np.random.Generator) -> str:
    a, b, c = _number(rng, 3, 3), _number(rng, 3, 3), _number(rng, 4, 4)
    short = _number(rng, 2, 2)
    forms = (
        f"({a}) {b}-{c}", f"({a}){b}-{c}", f"{a}-{b}-{c}", f"{b}-{c}", f"+{short} {a} {c}", f"0{short}/{b}{c}",
        f"{a}.{b}.{c}", f"({short}) {c}-{c[::-1]}", f"{short} {a} {b}", f"{short}-{c}",
    )  # fmt: skip
    return str(rng.choice(forms))


# ---- how it is written


def drawn_line(string: str, bank: Bank, hand: Hand, rng: np.random.Generator, pitch: float = 0.0) -> Canvas:
    """``string`` by one hand; with ``pitch`` each sign in a place of its own, as in boxes."""
    canvas, small, i, place = Canvas(), 1.0, 0, 0
    gap_before = 0.0
    while i < len(string):
        sign = string[i]
        if sign == " ":
            gap_before += DRAWN * rng.uniform(0.3, 1.0)
            i += 1
            continue
        if sign == "_":
            small, gap_before = rng.uniform(0.45, 0.8), gap_before + DRAWN * rng.uniform(0.05, 0.4)
            i += 1
            continue
        count = len(string[i:]) - len(string[i:].lstrip("0"))
        before = len(canvas.pieces)
        if sign == "0" and count > 1 and not pitch and rng.random() < hand.chained:
            _chain(canvas, count, hand, small, gap_before, rng)
            i += count
        else:
            _sign(canvas, sign, bank, hand, small, gap_before, rng)
            i += 1
        if pitch and len(canvas.pieces) > before:
            _into_place(canvas, before, place, pitch, rng)
        place += 1
        gap_before = 0.0
    if small < 1 and rng.random() < 0.4:  # cents are underlined
        left = canvas.pieces[-2][1] if len(canvas.pieces) > 1 else 0.0
        bar = _strokes([[(0, 0), (canvas.right - left, rng.normal(0, 2))]], hand.thick)
        canvas.put(bar[0], left + bar[1], DRAWN * rng.uniform(0.85, 1.0) + bar[2])
    return canvas


def _into_place(canvas: Canvas, before: int, place: int, pitch: float, rng: np.random.Generator) -> None:
    left = min(x for _, x, _ in canvas.pieces[before:])
    right = max(x + ink.shape[1] for ink, x, _ in canvas.pieces[before:])
    move = (place + 0.5) * pitch + rng.normal(0, 0.07) * pitch - (left + right) / 2
    canvas.pieces[before:] = [(ink, x + move, y) for ink, x, y in canvas.pieces[before:]]
    k, x, y = canvas.marks[-1]
    canvas.marks[-1] = (k, x + move, y)
    canvas.right = right + move


def _chain(canvas: Canvas, count: int, hand: Hand, small: float, gap: float, rng: np.random.Generator) -> None:
    share = hand.small * small
    height = DRAWN * share
    top = (DRAWN - height) * (hand.raised if small == 1 else 0.0) + DRAWN * rng.normal(0, hand.wobble)
    links = chain(count, height, rng)
    x = canvas.right + max(hand.gap + rng.normal(0, 0.06), -0.06) * DRAWN * bool(canvas.pieces) + gap - links[0][1]
    for ink, left, above in links:
        canvas.put(ink, x + left, top + above, "0")
    canvas.heights.append((top, top + height))


def _sign(
    canvas: Canvas, sign: str, bank: Bank, hand: Hand, small: float, gap: float, rng: np.random.Generator
) -> None:
    if sign.isdigit():
        ink = _digit(int(sign), bank, hand, small, rng)
        spare = DRAWN - ink.shape[0]
        top = spare * (hand.raised if hand.small < 1 else 1.0) + DRAWN * (
            rng.normal(0, hand.wobble) + hand.drift * len(canvas.marks)
        )
        if small < 1:
            top = rng.normal(0, 0.05) * DRAWN
        x = _next_to(canvas, ink, top, (hand.gap + rng.normal(0, 0.07)) * DRAWN) + gap
        if hand.joined and canvas.pieces and not gap and rng.random() < hand.joined:
            _ligature(canvas, ink, x, top, hand, rng)
        canvas.put(ink, x, top, sign)
        canvas.heights.append((top, top + ink.shape[0]))
        return
    lines, above = _mark(sign, rng)
    ink, _left, top = _strokes(
        [[(x * DRAWN * small, (y * small + above) * DRAWN) for x, y in line] for line in lines],
        hand.thick * rng.uniform(0.9, 1.3),
    )
    top += hand.drift * DRAWN * len(canvas.marks)
    low = sign in ".,"
    space = rng.uniform(-0.1, 0.25) if low else rng.uniform(0.02, 0.3)
    x = (
        canvas.right + max(space, -0.03) * DRAWN
        if canvas.pieces and not low
        else _next_to(canvas, ink, top, space * DRAWN)
    ) + gap
    canvas.put(ink, x, top, sign if sign in CLASSES else OTHER)
    if sign not in ".,-+=:":
        canvas.heights.append((top, top + ink.shape[0]))


def _digit(label: int, bank: Bank, hand: Hand, small: float, rng: np.random.Generator) -> Ink:
    if rng.random() < hand.drawn * (1.6 if label in (1, 7) else 1.0):
        crops = bank.drawn[label]
        crop = crops[rng.integers(len(crops))]
    else:
        crops = bank.crops[label]
        place = rng.random() if hand.thin < 0 else hand.thin + rng.normal(0, 0.06)
        crop = crops[int(np.clip(place, 0, 0.9999) * len(crops))]
    tall = DRAWN * np.exp(rng.normal(0, hand.uneven)) * (hand.small if label == 0 and small == 1 else 1.0) * small
    scale = tall / max(crop.shape[0], 12 if crop.shape[0] > 8 else 20)
    size = (
        max(3, round(crop.shape[1] * scale * hand.aspect * np.exp(rng.normal(0, 0.06)))),
        max(6, round(crop.shape[0] * scale)),
    )
    picture = Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC)
    angle = rng.normal(0, 3.5)
    if abs(angle) > 2:
        picture = picture.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        picture = picture.crop(picture.getbbox() or (0, 0, *picture.size))
    return np.asarray(picture, np.float32) / np.float32(255)


def _next_to(canvas: Canvas, ink: Ink, top: float, gap: float) -> float:
    """Where ink must begin so that ``gap`` pixels are between it and the nearest stroke on its left."""
    if not canvas.pieces:
        return 0.0
    best = -1e9
    mine = ink > 0.3
    mine_left = np.where(mine.any(axis=1), mine.argmax(axis=1), 1000)
    for other, x, y in canvas.pieces[-2:]:
        shift = round(top - y)
        first, last = max(0, shift), min(other.shape[0], shift + ink.shape[0])
        if last - first < 3:
            continue
        theirs = other[first:last] > 0.3
        edge = np.where(theirs.any(axis=1), other.shape[1] - theirs[:, ::-1].argmax(axis=1), -1000)
        edge = ndimage.maximum_filter1d(edge, 2 * max(1, len(edge) // 10) + 1)
        best = max(best, x + float((edge - mine_left[first - shift : last - shift]).max()))
    last_ink, x, _ = canvas.pieces[-1]
    return (
        float(np.clip(best, x + last_ink.shape[1] * 0.4, canvas.right)) + gap
        if best > -500
        else canvas.right + gap * 0.3
    )


def _ligature(canvas: Canvas, ink: Ink, x: float, top: float, hand: Hand, rng: np.random.Generator) -> None:
    before, left, above = canvas.pieces[-1]
    level = rng.uniform(0.05, 0.95)
    rows = int(level * (before.shape[0] - 1)), int(np.clip(level + rng.normal(0, 0.15), 0, 1) * (ink.shape[0] - 1))
    mine, theirs = np.flatnonzero(before[rows[0]] > 0.3), np.flatnonzero(ink[rows[1]] > 0.3)
    if not len(mine) or not len(theirs):
        return
    line = [(left + mine[-1], above + rows[0]), (x + theirs[0], top + rows[1])]
    bar, bar_left, bar_top = _strokes([line], hand.thick * 0.7)
    canvas.pieces.insert(len(canvas.pieces) - 1, (bar, bar_left, bar_top))


def _mark(sign: str, rng: np.random.Generator) -> tuple[list[list[tuple[float, float]]], float]:
    """Polylines in heights of a digit, 0 at its top; and how far they are moved down."""
    u, n = rng.uniform, rng.normal
    if sign == ".":
        return [[(0, 0), (u(0, 0.06), u(-0.03, 0.03))]], u(0.85, 1.04)
    if sign == ",":
        return [[(u(0.05, 0.15), 0), (u(0.06, 0.14), u(0.06, 0.12)), (0, u(0.15, 0.32))]], u(0.78, 1.0)
    if sign == "-":
        return [[(0, 0), (u(0.1, 0.3), n(0, 0.03)), (u(0.3, 0.8), n(0, 0.05))]], u(0.35, 0.65)
    if sign == "=":
        wide, apart, tilt = u(0.3, 0.8), u(0.14, 0.3), n(0, 0.05)
        return [[(0, 0), (wide, tilt)], [(n(0, 0.06), apart), (wide + n(0, 0.08), apart + tilt + n(0, 0.03))]], u(
            0.3, 0.5
        )
    if sign == "+":
        size = u(0.35, 0.8)
        return [
            [(0, size / 2 + n(0, 0.03)), (size, size / 2 + n(0, 0.03))],
            [(size / 2 + n(0, 0.05), 0), (size / 2 + n(0, 0.05), size)],
        ], u(0.1, 0.4)
    if sign == "/":
        wide, tall = u(0.12, 0.75), u(1.0, 1.5)
        bow = n(0, 0.03)
        return [[(wide, 0), (wide / 2 + bow, tall / 2), (0, tall)]], u(-0.3, 0.05)
    if sign == ":":
        apart = u(0.3, 0.65)
        return [[(0, 0), (u(0, 0.05), 0.02)], [(n(0, 0.03), apart), (n(0, 0.03) + 0.02, apart + 0.02)]], u(0.15, 0.5)
    if sign in "()":
        tall, deep = u(1.0, 1.5), u(0.1, 0.3)
        bow = [(deep, 0.0), (deep * 0.25, tall * 0.22), (0, tall / 2), (deep * 0.25, tall * 0.78), (deep, tall)]
        return [_round([(x if sign == "(" else deep - x, y) for x, y in bow])], u(-0.3, 0.0)
    if sign == "#":
        wide, lean, tall = u(0.5, 0.9), u(0, 0.2), u(0.7, 1.1)
        a, b, c, d = (w + n(0, 0.03) for w in (0.3 * wide, 0.7 * wide, 0.33 * tall, 0.67 * tall))
        return [
            [(a + lean, 0), (a, tall)],
            [(b + lean, 0), (b, tall)],
            [(0, c), (wide + lean, c + n(0, 0.03))],
            [(0, d), (wide + lean, d + n(0, 0.03))],
        ], u(-0.05, 0.25)
    if sign == "*":
        size, turn = u(0.35, 0.7), u(0, 1)
        arms = [turn + k * np.pi / 3 for k in range(3)]
        half = size / 2
        return [
            [(half - half * np.cos(a), half - half * np.sin(a)), (half + half * np.cos(a), half + half * np.sin(a))]
            for a in arms
        ], u(0.0, 0.4)
    shape = LETTERS.get(sign, LETTERS["$"])
    wide, tall = u(0.5, 0.9), u(0.8, 1.15)
    lines = []
    for part in shape.split("|"):
        points = [((int(p[0]) / 8 + n(0, 0.03)) * wide, (int(p[1]) / 8 + n(0, 0.03)) * tall) for p in part.split()]
        lines.append(_round(points) if len(points) > 2 and rng.random() < 0.7 else points)
    return lines, 1 - tall


def _round(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners cut twice (Chaikin 1974)."""
    for _ in range(2):
        cut = [points[0]]
        for (a, b), (c, d) in itertools.pairwise(points):
            cut += [(0.75 * a + 0.25 * c, 0.75 * b + 0.25 * d), (0.25 * a + 0.75 * c, 0.25 * b + 0.75 * d)]
        points = [*cut, points[-1]]
    return points


def _strokes(lines: list[list[tuple[float, float]]], thick: float) -> tuple[Ink, float, float]:
    """The ink of polylines, with round ends; and its left and top."""
    xs, ys = [x for line in lines for x, _ in line], [y for line in lines for _, y in line]
    left, top = np.floor(min(xs) - thick), np.floor(min(ys) - thick)
    width, height = int(np.ceil(max(xs) + thick - left)) + 1, int(np.ceil(max(ys) + thick - top)) + 1
    picture = Image.new("L", (2 * width, 2 * height))
    pen, half = ImageDraw.Draw(picture), thick
    for line in lines:
        fine = [(2 * (x - left), 2 * (y - top)) for x, y in line]
        pen.line(fine, 255, max(2, round(2 * thick)), joint="curve")
        for x, y in (fine[0], fine[-1]):
            pen.ellipse((x - half, y - half, x + half, y + half), 255)
    ink = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32) / np.float32(255)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.1), np.flatnonzero(ink.max(axis=0) > 0.1)
    if not len(rows):
        return ink, float(left), float(top)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], float(left + columns[0]), float(top + rows[0])


def display(string: str, rng: np.random.Generator) -> Canvas:
    """``string`` as seven segments show it, ghosts of the dark ones included now and then."""
    canvas, lean = Canvas(), rng.uniform(0, 0.2)
    wide, thick, gap = DRAWN * rng.uniform(0.42, 0.62), DRAWN * rng.uniform(0.07, 0.14), DRAWN * rng.uniform(0.15, 0.4)
    ghost, short = rng.uniform(0, 0.18) if rng.random() < 0.5 else 0.0, rng.uniform(0.02, 0.1) * DRAWN
    x = 0.0
    for sign in string:
        if sign in ".:,":
            lines, above = _mark("." if sign == "," else sign, rng)
            ink, left, top = _strokes([[(a * DRAWN, (b + above) * DRAWN) for a, b in line] for line in lines], thick)
            canvas.put(ink, x - gap * 0.7, top, "." if sign == "," else sign)
            continue
        if sign != "-" and not sign.isdigit():
            continue
        lit = "g" if sign == "-" else SEVEN[int(sign)]
        whole = np.zeros((DRAWN + 8, int(wide + lean * DRAWN) + 12), np.float32)
        for name, bar in BARS.items():
            level = 1.0 if name in lit else ghost
            if not level:
                continue
            a, b, c, d = (int(each) for each in bar)
            begin, end = np.array([a / 2 * wide, b / 4 * DRAWN]), np.array([c / 2 * wide, d / 4 * DRAWN])
            step = (end - begin) / np.linalg.norm(end - begin) * short
            points = [(px + lean * (DRAWN - py) + 4, py + 4) for px, py in (begin + step, end - step)]
            ink, left, top = _strokes([points], thick)
            left, top = max(0, int(left)), max(0, int(top))
            part = whole[top : top + ink.shape[0], left : left + ink.shape[1]]
            np.maximum(part, level * ink[: part.shape[0], : part.shape[1]], out=part)
        canvas.put(whole, x, -4.0)
        canvas.marks.append(
            (CLASSES.index(sign), x + whole.shape[1] / 2 + (wide * 0.4 if sign == "1" else 0), DRAWN / 2)
        )
        canvas.heights.append((0, DRAWN))
        x += wide + gap
    return canvas


def printed_line(string: str, rng: np.random.Generator) -> Canvas:
    """``string`` in print, by one of the fonts that matplotlib brings."""
    canvas, x = Canvas(), 0.0
    font = ImageFont.truetype(str(_FONTS / f"{rng.choice(FONTS)}.ttf"), 60)
    track, wide = rng.uniform(0.0, 0.12) * DRAWN, rng.uniform(0.8, 1.15)
    for sign in string.replace("_", " "):
        page = Image.new("L", (120, 110))
        ImageDraw.Draw(page).text((20, 80), sign, font=font, fill=255, anchor="ls")
        box = page.getbbox()
        if box is None:
            x += DRAWN * 0.4
            continue
        part = page.crop(box).resize((max(2, round((box[2] - box[0]) * wide)), box[3] - box[1]))
        top = float(box[1] - (80 - DRAWN))
        canvas.put(np.asarray(part, np.float32) / np.float32(255), x, top, sign if sign in CLASSES else OTHER)
        if sign.isdigit():
            canvas.heights.append((top, top + part.size[1]))
        x += part.size[0] + track + 0.06 * DRAWN
    return canvas


# ---- on paper


def example(bank: Bank, rng: np.random.Generator) -> Example:
    """One line, written, photographed and cut out as the reader cuts lines out."""
    while True:
        made = on_paper(*written_line(text(rng), bank, rng), rng)
        if made.image.shape[1] <= WIDEST:
            return made


def written_line(string: str, bank: Bank, rng: np.random.Generator) -> tuple[Canvas, Hand | None, bool]:
    """``string`` by some hand, now and then in boxes, in print or on a display; with its hand, and whether there are boxes."""
    while True:
        kind = rng.random()
        if kind < 0.09:
            made = display(string, rng) if kind < 0.04 else printed_line(string, rng), None, False
        else:
            hand, boxed = Hand.draw(rng), bool(rng.random() < 0.1)
            made = drawn_line(string, bank, hand, rng, DRAWN * rng.uniform(0.95, 1.7) if boxed else 0.0), hand, boxed
        if made[0].marks and made[0].heights:
            return made
        string = text(rng)


def on_paper(canvas: Canvas, hand: Hand | None, boxed: bool, rng: np.random.Generator) -> Example:
    sheet = photograph(canvas, hand, boxed, rng)
    contrast = relative_contrast(sheet.picture.astype(np.float32))
    guess = np.exp(rng.normal(0, 0.1)) * (rng.uniform(0.75, 1.3) if rng.random() < 0.2 else 1.0)
    centre = sheet.middle + rng.normal(0, 0.05) * sheet.height
    image, zoom, left = line_image(contrast, sheet.box, sheet.height * guess, centre)
    along = (sheet.columns - left) * zoom
    return Example(image, [k for k, _, _ in canvas.marks], along.clip(0, image.shape[1] - 1).tolist())


@dataclass
class Sheet:
    """A picture of one line, uint8 (H, W): the box of its ink, its digits' height and middle row, and each sign's column."""

    picture: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    height: float
    middle: float
    columns: NDArray[np.float64]


def photograph(canvas: Canvas, hand: Hand | None, boxed: bool, rng: np.random.Generator) -> Sheet:
    ink, x0, y0 = _composed(canvas)
    points = np.array([[x - x0, y - y0] for _, x, y in canvas.marks])
    tops, bottoms = np.array(canvas.heights).T - y0
    if boxed:
        ink = np.maximum(ink, _boxes(ink.shape, canvas, x0, tops, bottoms, rng))
    if hand is not None:
        ink = _penned(ink, hand.weight, rng)
        ink, points = _leaning(ink, points, hand, rng)
    height = float(np.median(bottoms - tops))
    middle = float(np.median(tops + bottoms)) / 2
    # the size on the page
    pixels = np.exp(rng.uniform(np.log(11), np.log(44)))
    scale = pixels / height
    size = (max(8, round(ink.shape[1] * scale)), max(8, round(ink.shape[0] * scale)))
    small = np.asarray(
        Image.fromarray(ink).resize(
            size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR, reducing_gap=2.0
        )
    )
    if rng.random() < 0.12 and pixels > 14:
        small = (small > rng.uniform(0.3, 0.6)).astype(np.float32)
    margin = int(pixels * rng.uniform(0.4, 0.8)) + 2
    paper = replace(Paper.draw(rng), inverted=False)
    if pixels < 20:
        paper = replace(paper, blur=min(paper.blur, 0.6), noise=min(paper.noise, 4))
    if rng.random() < 0.15:
        small = _beside(small, rng)
    picture = photographed(small, paper, rng, margin)
    if rng.random() < 0.4:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=int(rng.integers(30, 90)))
        picture = np.asarray(Image.open(stream))
    inked = small > 0.3
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    top, bottom = (rows[0], rows[-1] + 1) if len(rows) else (0, small.shape[0])
    left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, small.shape[1])
    box = (left + margin, top + margin, right + margin, bottom + margin)
    along = points[:, 0] * (small.shape[1] / ink.shape[1]) + margin
    return Sheet(picture, box, pixels, middle * scale + margin, along)


def _composed(canvas: Canvas) -> tuple[Ink, float, float]:
    left, top = min(x for _, x, _ in canvas.pieces), min(y for _, _, y in canvas.pieces)
    right = max(x + ink.shape[1] for ink, x, _ in canvas.pieces)
    bottom = max(y + ink.shape[0] for ink, _, y in canvas.pieces)
    room = 8
    whole = np.zeros((int(bottom - top) + 2 * room + 2, int(right - left) + 2 * room + 2), np.float32)
    for ink, x, y in canvas.pieces:
        a, b = int(y - top) + room, int(x - left) + room
        window = whole[a : a + ink.shape[0], b : b + ink.shape[1]]
        np.maximum(window, ink, out=window)
    return whole, left - room, top - room


def _penned(ink: Ink, weight: float, rng: np.random.Generator) -> Ink:
    """Strokes thicker or thinner, and their edges harder or softer; or as they are."""
    if rng.random() < 0.2:
        return ink
    blurred = ndimage.gaussian_filter(ink, 1.6)
    level = float(np.clip(0.42 - 0.16 * weight, 0.2, 0.62))
    return np.clip(0.5 + (blurred - level) * rng.uniform(2.0, 5.0), 0, 1).astype(np.float32)


def _leaning(
    ink: Ink, points: NDArray[np.float64], hand: Hand, rng: np.random.Generator
) -> tuple[Ink, NDArray[np.float64]]:
    """Sheared to the hand's slant, and bent a little."""
    height, width = ink.shape
    extra = int(abs(hand.slant) * height / 2) + 2
    wide = np.pad(ink, ((0, 0), (extra, extra)))
    y, x = np.mgrid[0:height, 0 : wide.shape[1]].astype(np.float32)
    middle = height / 2
    source_x = x - hand.slant * (middle - y)
    amount = rng.uniform(0, 1.6)
    if amount > 0.4:
        cells = rng.normal(0, amount, (2, max(2, height // 14), max(2, width // 14))).astype(np.float32)
        bend = [ndimage.zoom(cell, (height / cell.shape[0], wide.shape[1] / cell.shape[1]), order=1) for cell in cells]
        source_x, y = source_x + bend[0][:height, : wide.shape[1]], y + bend[1][:height, : wide.shape[1]]
    moved = points + [extra, 0]  # noqa: RUF005
    moved[:, 0] += hand.slant * (middle - points[:, 1])
    return ndimage.map_coordinates(wide, [y, source_x], order=1, output=np.float32), moved


def _boxes(
    shape: tuple[int, ...],
    canvas: Canvas,
    x0: float,
    tops: NDArray[np.float64],
    bottoms: NDArray[np.float64],
    rng: np.random.Generator,
) -> Ink:
    """Frames, combs or feet around each place."""
    found = np.zeros(shape, np.float32)
    xs = np.array([x for _, x, _ in canvas.marks]) - x0
    between = np.diff(xs)
    if not len(between):
        return found
    pitch = float(np.median(between))
    level, thick = rng.uniform(0.3, 1), int(rng.integers(1, 4))
    top, bottom = (
        int(max(0, tops.min() - rng.uniform(0, 8))),
        int(min(shape[0] - thick, bottoms.max() + rng.uniform(0, 8))),
    )
    comb = rng.random() < 0.35
    for place in range(len(xs) + 1):
        x = int(xs[0] + (place - 0.5) * pitch)
        if 0 <= x < shape[1] - thick:
            found[(bottom - int(rng.integers(6, 20)) if comb else top) : bottom, x : x + thick] = level
    begin, end = max(0, int(xs[0] - pitch / 2)), min(shape[1], int(xs[0] + (len(xs) - 0.5) * pitch))
    found[bottom : bottom + thick, begin:end] = level
    if not comb:
        found[top : top + thick, begin:end] = level
    return found


def _beside(ink: Ink, rng: np.random.Generator) -> Ink:
    """What belongs to other lines, at the upper or lower border; a rule; squares."""
    found = ink.copy()
    height, width = ink.shape
    kind = rng.random()
    if kind < 0.4:
        piece = ink[:, :: int(rng.choice([-1, 1]))]
        down = int(height * rng.uniform(0.72, 0.95)) * int(rng.choice([-1, 1]))
        moved = np.roll(np.roll(piece, down, axis=0), int(rng.integers(width)), axis=1)
        keep = np.zeros(height, bool)
        keep[down:] = True
        moved[~keep] = 0 if down > 0 else moved[~keep]
        moved[keep if down < 0 else ~keep] = 0
        return np.maximum(found, moved * rng.uniform(0.5, 1))
    level, thick = rng.uniform(0.15, 0.8), 1 if height < 40 else int(rng.integers(1, 3))
    if kind < 0.7:
        for _ in range(int(rng.integers(1, 3))):
            y = int(height * rng.choice([rng.uniform(0.7, 0.98), rng.uniform(0.02, 0.3)]))
            found[y : y + thick] = np.maximum(found[y : y + thick], level)
        return found
    step, level = max(4, int(height * rng.uniform(0.2, 0.6))), level * 0.6
    for y in range(int(rng.integers(step)), height, step):
        found[y : y + thick] = np.maximum(found[y : y + thick], level)
    for x in range(int(rng.integers(step)), width, step):
        found[:, x : x + thick] = np.maximum(found[:, x : x + thick], level)
    return found


assert ROWS > CORE
