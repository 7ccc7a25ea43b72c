"""Lines of digits by one hand: apart, close, touching; with commas, dots and dashes among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.synthesis.noughts import chain
from lab.synthesis.pens import Hand, written
from tenfold.reading.ink import Ink


@dataclass(frozen=True)
class Written:
    """One line of writing.

    Attributes:
        ink: (H, W), 0..1.
        text: its digits; what stands between them is not in it.
        owners: (H, W) int16, 1 + the place in ``text`` of the digit that most of a pixel's ink belongs to; 0 elsewhere.
    """

    ink: Ink
    text: str
    owners: NDArray[np.int16]


def write_string(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    height: int = 48,
    hand: Hand | None = None,
    marks: float = 0.3,
    closeness: tuple[float, float] = (-0.12, 0.35),
    chained: float = 0.0,
) -> Written:
    """The digits ``images`` (N, 28, 28) with ``labels`` (N,) as one line.

    Args:
        images: one each, in MNIST's form.
        labels: what they are.
        rng: decides everything else.
        height: of the digits, pixels.
        hand: who writes; None draws one.
        marks: probability of dots, commas and dashes.
        closeness: bounds of the usual gap between neighbours, in heights; where it is negative they touch.
        chained: probability that neighbouring noughts are written in one go (:mod:`~lab.synthesis.noughts`).
    """
    hand = hand or Hand.draw(rng)
    gap = rng.uniform(*closeness)
    placed: list[tuple[Ink, float, float]] = []  # ink, left, top
    x, owners = 0.0, list[int]()
    wobble, drift, uneven = rng.uniform(0, 0.08), rng.normal(0, 0.03), rng.uniform(0.03, 0.15)
    small = rng.uniform(0.35, 1) if rng.random() < 0.3 else 1.0  # noughts
    raised = rng.uniform(0, 1) if small < 1 else 1.0
    joined = rng.uniform(0.2, 0.9) if rng.random() < 0.15 else 0.0
    dotted = _separators(len(images), rng) if rng.random() < marks else set()
    chains = _runs_of_noughts(labels) if chained and rng.random() < chained else {}
    skipped = {i + k for i, count in chains.items() for k in range(1, count)}
    for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        if i in skipped:
            continue
        if i in chains:
            top = (height * (1 - small)) * raised + height * rng.normal(0, wobble)
            links = chain(chains[i], height * small, rng)
            x = max(left + ink.shape[1] for ink, left, _ in placed) if placed else 0.0
            x += max(gap + rng.normal(0, 0.08), -0.05) * height if placed else 0.0
            x -= links[0][1]
            placed += [(ink, x + left, top + above) for ink, left, above in links]
            owners += range(i + 1, i + 1 + chains[i])
            continue
        tall = height * float(np.exp(rng.normal(0, uneven))) * (small if label == 0 else 1.0)
        ink = written(image, int(label), hand, rng, max(8, round(tall)))
        top = (height - ink.shape[0]) * raised + height * (rng.normal(0, wobble) + drift * i)
        step = gap + rng.normal(0, 0.08)
        if placed:
            x += _advance(placed[-1], ink, top, x, step * height)
            if rng.random() < joined and i - 1 not in dotted:
                for half, owner in zip(_ligature(placed[-1], ink, x, top, height, rng), (i, i + 1), strict=True):
                    placed.append(half)
                    owners.append(owner)
        placed.append((ink, x, top))
        owners.append(i + 1)
        if i in dotted:
            mark = _dot(height, rng)
            right = x + ink.shape[1] + rng.uniform(0.02, 0.2) * height
            placed.append((mark, right, height - mark.shape[0] * rng.uniform(0.4, 1)))
            owners.append(0)
            x = right
    if rng.random() < marks / 2:
        mark = _dash(height, rng)
        end = max(left + ink.shape[1] for ink, left, _ in placed)
        placed.append((mark, end + rng.uniform(0.1, 0.4) * height, height * rng.uniform(0.35, 0.65)))
        owners.append(0)
    if rng.random() < marks / 6:
        mark = _dash(height, rng)
        begin = min(left for _, left, _ in placed)
        placed.append((mark, begin - mark.shape[1] - rng.uniform(0.1, 0.3) * height, height * rng.uniform(0.3, 0.65)))
        owners.append(0)
    return _composed(placed, owners, "".join(map(str, labels.tolist())))


def _runs_of_noughts(labels: NDArray[np.int64]) -> dict[int, int]:
    """Where two or more noughts stand side by side: the first's place -> how many."""
    runs: dict[int, int] = {}
    begin = 0
    for i, label in enumerate([*labels.tolist(), -1]):
        if label != 0:
            if i - begin > 1:
                runs[begin] = i - begin
            begin = i + 1
    return runs


def _advance(last: tuple[Ink, float, float], ink: Ink, top: float, x: float, gap: float) -> float:
    """How far right of ``x`` the next ink must begin so that ``gap`` pixels are between the nearest strokes."""
    before, left, above = last
    shift = round(top - above)
    first, end = max(0, shift), min(before.shape[0], shift + ink.shape[0])
    mine, next_ = before[first:end] > 0.3, ink[first - shift : end - shift] > 0.3
    if end - first < 3 or not (mine.any(axis=1) & next_.any(axis=1)).any():
        return left - x + before.shape[1] + gap
    right_edge = np.where(mine.any(axis=1), before.shape[1] - mine[:, ::-1].argmax(axis=1), -1000)
    left_edge = np.where(next_.any(axis=1), next_.argmax(axis=1), 1000)
    reach = max(1, len(right_edge) // 10)  # strokes are apart slantwise too
    widened = np.max([np.roll(right_edge, s) for s in range(-reach, reach + 1)], axis=0)
    return left - x + float((widened - left_edge).max()) + gap


def _ligature(
    last: tuple[Ink, float, float], ink: Ink, x: float, top: float, height: int, rng: np.random.Generator
) -> list[tuple[Ink, float, float]]:
    """A thin stroke from one digit to the next, in two halves: each belongs to its digit."""
    before, left, above = last
    level = rng.uniform(0.05, 0.95)
    rows = round(level * (before.shape[0] - 1)), round(np.clip(level + rng.normal(0, 0.15), 0, 1) * (ink.shape[0] - 1))
    mine, theirs = np.flatnonzero(before[rows[0]] > 0.3), np.flatnonzero(ink[rows[1]] > 0.3)
    start = np.array([left + (mine[-1] if len(mine) else before.shape[1] - 1), above + rows[0]])
    end = np.array([x + (theirs[0] if len(theirs) else 0), top + rows[1]])
    thick = max(1.5, height * rng.uniform(0.03, 0.08))
    middle = (start + end) / 2
    halves = []
    for a, b in ((start, middle), (middle, end)):
        low, size = np.minimum(a, b), np.abs(b - a)
        piece = _stroke(
            max(2, round(size[1] + thick)),
            max(2, round(size[0] + 1)),
            thick,
            falling=bool((b[1] - a[1]) * (b[0] - a[0]) > 0),
        )
        halves.append((piece, float(low[0]), float(low[1] - thick / 2)))
    return halves


def _separators(count: int, rng: np.random.Generator) -> set[int]:
    """Behind which digits a mark stands: every third from the right, as in 1.234.567, or behind the last."""
    thousands = {i for i in range(count - 1) if (count - 1 - i) % 3 == 0}
    return thousands if rng.random() < 0.6 else {count - 1} if rng.random() < 0.5 else thousands | {count - 1}


def _dot(height: int, rng: np.random.Generator) -> Ink:
    """A dot, a colon, or a comma."""
    tall = max(3, int(height * rng.uniform(0.06, 0.16)))
    kind = rng.random()
    if kind < 0.1:
        dot = _stroke(tall, tall, tall * 0.8, falling=False)
        return np.concatenate([dot, np.zeros((int(tall * rng.uniform(0.7, 2.5)), tall), np.float32), dot])
    if kind < 0.5:
        return _stroke(tall * 2, max(3, int(tall * rng.uniform(0.6, 1.2))), tall * 0.5, falling=False)
    y, x = np.mgrid[0:tall, 0:tall] - (tall - 1) / 2
    return np.clip(tall / 2 - np.hypot(y, x) + 0.5, 0, 1).astype(np.float32)


def _dash(height: int, rng: np.random.Generator) -> Ink:
    """A dash, or an equals sign."""
    wide, thick = max(4, int(height * rng.uniform(0.25, 1.2))), height * rng.uniform(0.05, 0.12)
    tall, falling = max(3, int(thick * rng.uniform(1, 2.5))), bool(rng.random() < 0.5)
    if rng.random() < 0.6:
        return _stroke(tall, wide, thick, falling=falling)
    wide = max(4, wide // 2)
    canvas = np.zeros((2 * tall + int(height * rng.uniform(0, 0.2)), round(wide * 1.7)), np.float32)
    for top in (0, len(canvas) - tall):
        length = max(4, round(wide * rng.uniform(0.6, 1.2)))
        left = int(rng.integers(0, canvas.shape[1] - length + 1))
        canvas[top : top + tall, left : left + length] = _stroke(tall, length, thick, falling=falling)
    return canvas


def _stroke(height: int, width: int, thick: float, *, falling: bool) -> Ink:
    """A straight line from corner to corner."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = (height - thick) / max(width - 1, 1) * (1 if falling else -1)
    middle = (height - 1) / 2 + slope * (x - (width - 1) / 2)
    return np.clip(thick / 2 - np.abs(y - middle) / np.hypot(1, slope) + 0.5, 0, 1).astype(np.float32)


def _composed(placed: list[tuple[Ink, float, float]], owners: list[int], text: str) -> Written:
    left, top = min(x for _, x, _ in placed), min(y for _, _, y in placed)
    places = [(round(x - left), round(y - top)) for _, x, y in placed]
    width = max(x + ink.shape[1] for (ink, _, _), (x, _) in zip(placed, places, strict=True))
    height = max(y + ink.shape[0] for (ink, _, _), (_, y) in zip(placed, places, strict=True))
    canvas, whose = np.zeros((height, width), np.float32), np.zeros((height, width), np.int16)
    for (ink, _, _), (x, y), owner in zip(placed, places, owners, strict=True):
        window = (slice(y, y + ink.shape[0]), slice(x, x + ink.shape[1]))
        stronger = ink > canvas[window]
        whose[window] = np.where(stronger & (ink > 0.1), owner, whose[window])
        canvas[window] = np.maximum(canvas[window], ink)
    return Written(canvas, text, whose)
