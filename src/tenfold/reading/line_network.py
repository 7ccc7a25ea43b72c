"""A network that reads a line without cutting it (connectionist temporal classification, Graves et al. 2006)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.inspection import check_model_bytes
from tenfold.bundle.predict import open_session
from tenfold.errors import IntegrityError
from tenfold.reading.ink import Ink, otsu, resized

OTHER = "?"
"""Stands for letters, signs and print that are neither digit nor mark."""
MARKS = ".,-+/:()=#"
CLASSES = ("", *"0123456789", *MARKS, OTHER)
"""What a column can be; the first is nothing, or the same sign as before."""
ROWS = 48
CORE = 28
"""Rows of the network's :data:`ROWS` that a digit of the usual height fills."""
SIDE = 8
"""Columns of paper on both sides."""
DEEPEST = 1.25
"""Ink is stored up to this many times the usual strength."""
STRIDE = 2
"""Columns of its image for one answer of the network."""
WIDEST = 8_192
"""Columns of the longest line that it is asked about."""
MODEL = Path(__file__).parent / "lines.onnx"
SHA256 = "3d9004ef2f764f559faaae4d5a7a072b5b0a47d9eb3c85f27024f79db8937754"


def line_image(
    contrast: Ink, box: tuple[int, int, int, int], height: float, centre: float
) -> tuple[NDArray[np.uint8], float, float]:
    """One line as the network sees it.

    Args:
        contrast: (H, W) how much darker than its paper each pixel is.
        box: left, top, right, bottom of the line's ink; right and bottom are exclusive.
        height: of its digits, pixels.
        centre: row of the digits' middle.

    Returns:
        uint8 (48, W'), 0 is paper; pixels of it for one of the page; the page's column at which it begins.
    """
    left, top, right, bottom = box
    reach = max(centre - top, bottom - centre, 1.0)
    zoom = CORE / max(height, 1.0)
    if 2 * reach * zoom > ROWS - 2:  # what is far above or below must fit in
        centre = (top + bottom) / 2
        zoom = min(zoom, (ROWS - 2) / (bottom - top))
    side, half = SIDE / zoom, ROWS / 2 / zoom
    x_left, y_top = round(left - side), round(centre - half)
    x_right, y_bottom = max(round(right + side), x_left + 1), max(round(centre + half), y_top + 1)
    rows, columns = np.arange(y_top, y_bottom), np.arange(x_left, x_right)
    inside = contrast[rows.clip(0, contrast.shape[0] - 1)][:, columns.clip(0, contrast.shape[1] - 1)]
    inside = (
        inside * ((columns >= 0) & (columns < contrast.shape[1])) * ((rows >= 0) & (rows < contrast.shape[0]))[:, None]
    )
    strong = inside[inside > otsu(inside.astype(np.float32))]
    full = max(float(np.percentile(strong, 75)) if strong.size else 1.0, 0.05)
    width = max(1, round(len(columns) * ROWS / len(rows)))
    scaled = resized((inside / full).astype(np.float32), ROWS, width)
    return np.rint((scaled / DEEPEST).clip(0, 1) * 255).astype(np.uint8), width / len(columns), float(x_left)


@dataclass(frozen=True)
class Columns:
    """What the network says of one line.

    Attributes:
        probabilities: (T, classes) of each of its columns, two columns of :func:`line_image` apart.
        zoom: pixels of the line's image for one of the page.
        left: the page's column at which it begins.
    """

    probabilities: NDArray[np.float64]
    zoom: float
    left: float

    def on_page(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """The page's columns of ``places`` in 0..T."""
        return self.left + (places + 0.5) * STRIDE / self.zoom

    def without_marks(self) -> Columns:
        """The same for one who knows that there are none."""
        p = self.probabilities.copy()
        p[:, [CLASSES.index(mark) for mark in MARKS]] = 0
        p += 1e-9  # where nothing else was possible
        return Columns(p / p.sum(axis=1, keepdims=True), self.zoom, self.left)

    @cached_property
    def likely(self) -> list[tuple[Text, float]]:
        """The most probable texts, as of :func:`likely_texts`."""
        return likely_texts(self.probabilities)

    @cached_property
    def of_digits(self) -> NDArray[np.float64]:
        """(T, 11): marks and signs count as nothing."""
        p = self.probabilities
        return np.concatenate([p[:, :1] + p[:, 11:].sum(axis=1, keepdims=True), p[:, 1:11]], axis=1)


class LineNetwork:
    """The network that comes along, in ONNX Runtime."""

    def __init__(self, model: bytes | None = None, threads: int = 1) -> None:
        """Open ``model``, or the one that comes along.

        Raises:
            IntegrityError: it is damaged, or another kind of model.
        """
        content = MODEL.read_bytes() if model is None else model
        if model is None and hashlib.sha256(content).hexdigest() != SHA256:
            raise IntegrityError(
                f"{MODEL.name}: SHA-256 differs; the file was changed or damaged. Install tenfold again"
            )
        check_model_bytes(content)
        self._session = open_session(content, threads)

    def columns(self, contrast: Ink, box: tuple[int, int, int, int], height: float, centre: float) -> Columns | None:
        """What it says of the line in ``box``; None for a line of more than :data:`WIDEST` columns.

        The arguments are those of :func:`line_image`.
        """
        if (box[2] - box[0]) * CORE / max(height, 1.0) > WIDEST:
            return None
        image, zoom, left = line_image(contrast, box, height, centre)
        padded = np.pad(image, ((0, 0), (0, max(16, -(-image.shape[1] // 4) * 4) - image.shape[1])))
        found = self._session.run(None, {"images": padded[None, None]})[0][0]  # (2, classes, T / 2)
        return Columns(found.transpose(2, 0, 1).reshape(-1, len(CLASSES)).astype(np.float64), zoom, left)


Text = tuple[int, ...]
"""Classes, from left to right."""


def likely_texts(probabilities: NDArray[np.float64], beam: int = 16, least: float = 2e-4) -> list[tuple[Text, float]]:
    """The most probable texts of (T, classes) with their probabilities, the best first (prefix search)."""
    states: dict[Text, tuple[float, float]] = {(): (1.0, 0.0)}  # ends with nothing, ends with its last sign
    total = 0.0  # logarithm of what was divided by
    kinds = (np.argsort(-probabilities[:, 1:], axis=1) + 1).tolist()
    counts = (probabilities[:, 1:] > least).sum(axis=1).tolist()
    for row, likely, count in zip(probabilities.tolist(), kinds, counts, strict=True):
        grown = {
            text: ((blank + sign) * row[0], sign * row[text[-1]] if text else 0.0)
            for text, (blank, sign) in states.items()
        }
        if not count:
            states = grown
            continue
        stay = [blank + sign for blank, sign in grown.values()]
        bound = max(least * 0.1 * max(stay), min(stay) if len(stay) == beam else 0.0)  # what is less is not kept
        for text, (blank, sign) in states.items():
            last = text[-1] if text else 0
            if text[:-1] in states and text and row[last] > least:
                before = states[text[:-1]]
                grown[text] = (
                    grown[text][0],
                    grown[text][1] + (before[0] + before[1] * (text[-2:-1] != (last,))) * row[last],
                )
            for kind in likely[:count]:
                more = (blank if kind == last else blank + sign) * row[kind]
                if more > bound:
                    if (*text, kind) not in states:
                        grown[(*text, kind)] = 0.0, more
                elif kind != last:
                    break
        best = sorted(grown.items(), key=lambda state: -sum(state[1]))[:beam]
        scale = best[0][1][0] + best[0][1][1]
        best = [item for item in best if item[1][0] + item[1][1] > least * 0.1 * scale]
        total += math.log(max(scale, 1e-300))
        states = {text: (blank / scale, sign / scale) for text, (blank, sign) in best if scale}
    found = sorted(states.items(), key=lambda state: -sum(state[1]))
    return [(text, (blank + sign) * math.exp(total)) for text, (blank, sign) in found]


def text_scores(probabilities: NDArray[np.float64], texts: Sequence[Text]) -> NDArray[np.float64]:
    """(len(texts),) logarithms of the probability of each text, given (T, classes): forward sums."""
    longest = max((len(text) for text in texts), default=0)
    states = np.zeros((len(texts), 2 * longest + 1), np.int64)  # nothing, sign, nothing, sign, ..., nothing
    for row, text in zip(states, texts, strict=True):
        row[1 : 2 * len(text) : 2] = text
    skips = np.zeros(states.shape, bool)  # a sign may follow another without nothing between
    skips[:, 3::2] = (states[:, 3::2] != states[:, 1:-2:2]) & (states[:, 3::2] > 0)
    forward = np.zeros(states.shape)
    forward[:, 0] = 1.0
    total = np.zeros(len(texts))
    for t, row in enumerate(probabilities):
        stay = forward.copy()
        if t:
            stay[:, 1:] += forward[:, :-1]
            stay[:, 2:] += np.where(skips[:, 2:], forward[:, :-2], 0)
        elif longest:
            stay[:, 1] = 1.0
        forward = stay * row[states]
        scale = forward.max(axis=1).clip(1e-300)
        forward /= scale[:, None]
        total += np.log(scale)
    ends = np.array([2 * len(text) for text in texts], np.int64)
    rows = np.arange(len(texts))
    last = forward[rows, ends] + np.where(ends > 0, forward[rows, np.maximum(ends - 1, 0)], 0)
    return total + np.log(last.clip(1e-300))


def places_of(probabilities: NDArray[np.float64], text: Text) -> NDArray[np.float64]:
    """(len(text),) where in 0..T each sign stands, by the best alignment (Viterbi 1967); NaN if it does not fit in."""
    if not text:
        return np.zeros(0)
    states = np.zeros(2 * len(text) + 1, np.int64)
    states[1::2] = text
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    logs = np.log(probabilities.clip(1e-12))[:, states]
    best = np.full(len(states), -np.inf)
    best[:2] = logs[0, :2]
    back = np.zeros(logs.shape, np.int8)
    barred, ways = np.where(skips, 0.0, -np.inf)[2:], np.full((3, len(states)), -np.inf)
    for t in range(1, len(logs)):
        ways[0], ways[1, 1:] = best, best[:-1]
        ways[2, 2:] = best[:-2] + barred
        back[t] = ways.argmax(axis=0)
        best = ways.max(axis=0) + logs[t]
    state = len(states) - 1 if best[-1] >= best[-2] else len(states) - 2
    if not np.isfinite(best[state]):
        return np.full(len(text), np.nan)
    at: list[list[int]] = [[] for _ in text]
    for t in range(len(logs) - 1, -1, -1):
        if state % 2:
            at[state // 2].append(t)
        state -= back[t, state]
    return np.array(
        [max(each, key=lambda t: probabilities[t, sign]) for each, sign in zip(at, text, strict=True)], np.float64
    )
