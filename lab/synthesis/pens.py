"""One digit as other hands and pens would have written it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tenfold.reading.ink import Ink

ENLARGED = 4
"""Digits are drawn on a grid this many times finer than MNIST's."""


@dataclass(frozen=True)
class Hand:
    """What all digits of one writer have in common.

    Attributes:
        slant: pixels to the left for one down.
        aspect: width relative to MNIST's.
        pen: how much thicker (positive) or thinner (negative) the strokes are, MNIST's pixels.
        softness: blur of the edges, MNIST's pixels.
        european: whether ones have an upstroke and sevens a bar.
        unsteady: how far strokes are bent, MNIST's pixels (standard deviation).
    """

    slant: float = 0.0
    aspect: float = 1.0
    pen: float = 0.0
    softness: float = 0.4
    european: bool = False
    unsteady: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Hand:
        """A random writer with a random pen."""
        return cls(
            slant=float(rng.normal(0, 0.18)),
            aspect=float(np.exp(rng.normal(0, 0.15))),
            pen=float(rng.uniform(-1.6, 0.8)),
            softness=float(rng.uniform(0.2, 0.8)),
            european=bool(rng.random() < 0.35),
            unsteady=float(rng.uniform(0, 0.7)),
        )


def written(image: NDArray[np.uint8], label: int, hand: Hand, rng: np.random.Generator, height: int = 48) -> Ink:
    """The ink of one digit, uint8 (28, 28) as in MNIST, written by ``hand``, about ``height`` pixels tall, without
    margins.

    Slant, aspect and turn vary a little from digit to digit.
    """
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    margin = (6 if label != 1 else 12) * ENLARGED  # beside a one there is an upstroke, perhaps
    size = (crop.shape[1] * ENLARGED, crop.shape[0] * ENLARGED)
    fine = Image.new("L", (size[0] + 2 * margin, size[1] + 2 * margin))
    fine.paste(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC), (margin, margin))
    if hand.european:
        _make_european(fine, label, margin, rng)
    if hand.unsteady:
        fine = _bent(fine, hand.unsteady * ENLARGED, rng)
    fine = _inked(fine, hand)
    slant, aspect = hand.slant + rng.normal(0, 0.05), hand.aspect * np.exp(rng.normal(0, 0.06))
    angle = rng.normal(0, 0.06)
    stretch = height / (20 * ENLARGED) if max(crop.shape) == 20 else height / (max(crop.shape) * ENLARGED)
    return _trimmed(_warped(fine, stretch, float(aspect), float(slant), float(angle)))


def _inked(fine: Image.Image, hand: Hand) -> Image.Image:
    """Strokes made thicker or thinner: blurred, then cut at another level than half."""
    # thin strokes are blurred less: they would come out as thick as the blur is wide
    reach = min(1.3 * ENLARGED, 0.45 * _thickness(np.asarray(fine, np.float32) / np.float32(255)))
    blurred = np.asarray(fine.filter(ImageFilter.GaussianBlur(reach)), np.float32) / 255
    # across a straight edge the blurred profile falls by 0.4 / reach a pixel; thin strokes never reach 1
    peak = np.percentile(blurred[blurred > 0.1], 80) if (blurred > 0.1).any() else 1.0
    level = np.clip(0.5 * peak - hand.pen * ENLARGED * 0.3 / reach * peak, 0.12 * peak, 0.8 * peak)
    steep = max(0.6 / (hand.softness * ENLARGED) / max(peak, 0.2), 0.5 / (level * reach))  # nothing where nothing was
    ink = np.clip(0.5 + (blurred - level) * reach * steep, 0, 1)
    return Image.fromarray(np.rint(ink * 255).astype(np.uint8))


def _thickness(ink: Ink) -> float:
    """Of strokes, in pixels: twice their area by the length of their outline, which is the sum of all steps across
    it.
    """
    rows, columns = (float(np.abs(np.diff(ink, axis=axis)).sum()) for axis in (0, 1))
    return (
        2 * float(ink.sum()) / max((rows + columns) * np.pi / 4, 1)
    )  # a step aslant is counted in both: 4 / pi on average


def _bent(fine: Image.Image, reach: float, rng: np.random.Generator, cells: int = 4) -> Image.Image:
    """Bent smoothly: the corners of ``cells`` x ``cells`` tiles are moved by ``reach`` pixels (standard deviation)."""
    width, height = fine.size
    x, y = np.meshgrid(np.linspace(0, width, cells + 1), np.linspace(0, height, cells + 1))
    moved = np.stack([x, y], axis=-1)
    moved[1:-1, 1:-1] += rng.normal(0, reach, (cells - 1, cells - 1, 2))
    tiles = []
    for i in range(cells):
        for j in range(cells):
            box = (round(x[i, j]), round(y[i, j]), round(x[i + 1, j + 1]), round(y[i + 1, j + 1]))
            corners = moved[i, j], moved[i + 1, j], moved[i + 1, j + 1], moved[i, j + 1]
            tiles.append((box, tuple(float(value) for corner in corners for value in corner)))
    return fine.transform(fine.size, Image.Transform.MESH, tiles, Image.Resampling.BILINEAR)


def _make_european(fine: Image.Image, label: int, margin: int, rng: np.random.Generator) -> None:
    """Draw what schools of continental Europe teach: the one's upstroke, the seven's bar."""
    pen = ImageDraw.Draw(fine)
    width, height = fine.size[0] - 2 * margin, fine.size[1] - 2 * margin
    thick = int(ENLARGED * rng.uniform(1.6, 2.6))
    levels = np.asarray(fine)
    if label == 1 and height > 1.5 * width and _plain(levels):
        top_row = levels[margin + height // 12]
        if not top_row.any():
            return
        x = int(np.flatnonzero(top_row > 100).mean()) if (top_row > 100).any() else margin + width // 2
        y = margin + int(0.04 * height)
        left, down = rng.uniform(0.2, 0.6) * height, rng.uniform(0.15, 0.95) * height
        if rng.random() < 0.3:  # a curved upstroke
            pen.arc((x - 2 * left, y, x, y + 2 * down), 270, 360, 255, thick)
        pen.line((x, y, max(2, x - left), y + down), 255, thick)
        if rng.random() < 0.15:
            foot = margin + height - thick // 2
            pen.line((x - 0.3 * height, foot, x + 0.25 * height, foot), 255, thick)
    elif label == 7:
        y = margin + int(rng.uniform(0.42, 0.6) * height)
        row = levels[y]
        if (row > 100).any():
            x = int(np.flatnonzero(row > 100).mean())
            reach, tilt = rng.uniform(0.2, 0.4) * height, rng.uniform(-0.1, 0.1) * height
            pen.line((x - reach, y + tilt, x + 0.8 * reach, y - tilt), 255, thick)


def _plain(levels: NDArray[np.uint8]) -> bool:
    """Whether it is one stroke, about as wide everywhere."""
    inked = (levels > 100).sum(axis=1)
    narrow, wide = np.quantile(inked[inked > 0], (0.2, 0.9)) if inked.any() else (1, 1)
    return bool(wide < 1.6 * narrow)


def _warped(fine: Image.Image, stretch: float, aspect: float, slant: float, angle: float) -> Ink:
    """The affine map: stretched, its width by ``aspect`` more, sheared, turned by ``angle`` radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    forward = stretch * np.array([[cos, -sin], [sin, cos]]) @ np.array([[aspect, -slant], [0, 1]])
    corners = np.array([[0, 0], [fine.size[0], 0], [0, fine.size[1]], list(fine.size)]) @ forward.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.ceil(high - low).astype(int)
    back = np.linalg.inv(forward)
    offset = back @ low
    coefficients = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
    if stretch < 1:
        fine = fine.filter(ImageFilter.GaussianBlur(0.4 / stretch))
    warped = fine.transform(
        (int(size[0]), int(size[1])), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(warped, np.float32) / np.float32(255)


def _trimmed(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero((ink > 0.1).any(axis=1)), np.flatnonzero((ink > 0.1).any(axis=0))
    if not len(rows):
        return ink
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
