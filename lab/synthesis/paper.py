"""Ink on paper as a camera or a scanner sees it: uneven light, texture, ruled lines, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tenfold.reading.ink import Ink


@dataclass(frozen=True)
class Paper:
    """A sheet and its light.

    Attributes:
        level: grey level of the paper.
        darkness: of full ink: the share of the light that it swallows.
        shadow: how much darker the darkest corner is, as a share.
        texture: contrast of a printed pattern of fine lines, as a share of ``darkness``.
        rules: contrast of ruled lines, likewise; 0 has none.
        noise: standard deviation, grey levels.
        blur: standard deviation, pixels.
        inverted: light ink on dark ground.
    """

    level: float = 235
    darkness: float = 0.7
    shadow: float = 0.0
    texture: float = 0.0
    rules: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    inverted: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Paper:
        """A random sheet: clean scans, phone photos, checks."""
        return cls(
            level=float(rng.uniform(130, 250)),
            darkness=float(rng.uniform(0.3, 0.9)),
            shadow=float(rng.uniform(0, 0.5)) if rng.random() < 0.5 else 0.0,
            texture=float(rng.uniform(0.1, 0.55)) if rng.random() < 0.4 else 0.0,
            rules=float(rng.uniform(0.3, 1)) if rng.random() < 0.25 else 0.0,
            noise=float(rng.uniform(0, 8)),
            blur=float(rng.uniform(0, 1)),
            inverted=bool(rng.random() < 0.15),
        )


def photographed(ink: Ink, paper: Paper, rng: np.random.Generator, margin: int = 6) -> NDArray[np.uint8]:
    """The picture, uint8 (H + 2 margin, W + 2 margin), of ``ink`` (H, W) on ``paper``."""
    canvas = np.pad(ink, margin).astype(np.float32)
    height, width = canvas.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    swallowed = paper.darkness * canvas
    if paper.texture:
        swallowed = np.maximum(swallowed, paper.darkness * paper.texture * _pattern(y, x, rng))
    if paper.rules:
        swallowed = np.maximum(swallowed, paper.darkness * paper.rules * _rules(y, x, rng))
    angle = rng.uniform(0, 2 * np.pi)
    across = (np.cos(angle) * x + np.sin(angle) * y) / max(height, width)
    light = 1 - paper.shadow * np.clip(across - across.min(), 0, 1)
    picture = paper.level * light * (1 - swallowed)
    if paper.blur:
        levels = Image.fromarray(np.rint(picture.clip(0, 255)).astype(np.uint8))
        picture = np.asarray(levels.filter(ImageFilter.GaussianBlur(paper.blur)), np.float32)
    picture = picture + rng.normal(0, 1, picture.shape) * paper.noise
    if paper.inverted:
        picture = 255 - picture
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def _pattern(y: NDArray[np.float32], x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) 0..1: families of fine wavy lines, as on checks."""
    total = np.zeros_like(y)
    for _ in range(int(rng.integers(1, 4))):
        angle, period = rng.uniform(0, np.pi), rng.uniform(4, 14)
        bend, length = rng.uniform(0, 6), rng.uniform(20, 90)
        along, across = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
        wave = across + bend * np.sin(2 * np.pi * along / length)
        total = np.maximum(total, np.clip(1.4 * np.cos(2 * np.pi * wave / period) - 0.4, 0, 1))
    return total


def _rules(y: NDArray[np.float32], x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) 0..1: one or two straight lines, nearly level."""
    total = np.zeros_like(y)
    height = y.shape[0]
    for place in rng.choice([rng.uniform(0.85, 0.99), rng.uniform(0.01, 0.12)], int(rng.integers(1, 3)), replace=False):
        line = place * height + rng.normal(0, 0.004) * (x - x.mean())
        total = np.maximum(total, np.clip(rng.uniform(0.6, 1.6) - np.abs(y - line), 0, 1))
    return total
