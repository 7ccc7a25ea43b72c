"""Digits in shapes that MNIST's American writers hardly use, as strokes of a shaky hand.

Schools elsewhere teach ones with a long upstroke, sevens with a bar, fours in one stroke like lightning, nines whose
tail
curls or whose bowl is drawn across the stem, twos with a loop, eights of two rings, noughts that begin inside. What is
drawn
here has the form of MNIST's images, so that whatever is done to those can be done to these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.synthesis.glyphs import drawn, smooth
from tenfold.reading.normalise import frame

SHAPES: dict[int, tuple[str, ...]] = {
    0: (
        "40 12 04 17 48 77 84 72 40",
        "62 40 12 04 17 48 77 84 72 40 42",
        "60 30 02 05 27 58 84 72 50 41 63",
        "30 02 05 27 58 84 72 40 32 62 92",
        "50 12 04 17 48 77 84 72 60",
        "32 60 83 76 48 16 03 21 50 71",
    ),
    1: (
        "40 48",
        "13 40 40 48",
        "05 50 50 48",
        "07 50 50 38",
        "07 50 50 47 68",
        "04 23 40 40 48",
        "06 34 50 50 45 48",
        "23 40 40 48|18 78",
        "07 42 50 40 35 48",
        "08 60 60 58",
        "08 51 60 68 78",
        "07 70 70 68",
        "06 60 60 68",
        "05 70 70 58",
    ),
    2: (
        "02 20 50 62 64 36 08 08 88",
        "12 30 60 72 54 27 08 06 27 58 88",
        "12 40 72 54 08 47 88",
        "23 12 20 60 73 55 18 07 37 88",
        "11 40 70 64 08 08 78",
        "13 22 12 20 50 63 46 08 08 78",
    ),
    3: (
        "01 30 61 52 34 34 64 76 48 07",
        "00 70 70 33 33 64 76 48 07",
        "02 30 61 44 24 34 66 48 07",
        "12 20 50 62 34 64 76 48 18 06",
    ),
    4: (
        "60 05 05 85|60 68",
        "20 05 05 85|60 68",
        "40 05 05 75|62 58",
        "50 05 05 74 74 58",
        "60 05 05 84 84 68",
        "40 04 05 74 63 48",
        "10 04 15 65|70 58",
        "00 04 15 65 70 68",
        "30 05 05 65 72 38",
    ),
    5: (
        "70 10 10 03 33 73 76 48 07",
        "20 13 43 74 76 48 07|20 80",
        "70 30 12 34 65 66 38 07",
        "10 04 04 43 66 48 08|10 70",
        "70 20 13 13 53 75 58 07",
    ),
    6: (
        "60 22 04 06 28 58 76 64 34 06",
        "50 05 07 38 67 65 34 06",
        "70 30 04 06 28 58 76 54 16",
        "40 16 18 58 66 34 17",
    ),
    7: (
        "00 80 80 38",
        "00 80 80 38|24 75",
        "02 00 00 80 80 38",
        "01 20 50 80 80 55 48",
        "02 11 00 40 80 80 38|15 74",
        "01 30 80 80 28|05 85",
        "10 70 70 48|14 84",
    ),
    8: (
        "72 50 20 12 34 65 67 38 17 06 34 62 70",
        "71 40 11 13 45 77 48 17 05 44 62 71",
        "40 12 34 63 61 40|34 06 28 58 76 54 34",
        "80 40 11 13 45 77 48 17 05 44 72 80",
        "41 21 13 35 67 48 16 35 63 61 30",
    ),
    9: (
        "72 40 11 13 34 63 71 71 78",
        "71 40 11 13 44 63 71 71 75 58 28 07",
        "61 30 11 13 34 63 71 66 48 18 06",
        "62 40 12 13 34 63 62 38",
        "64 34 12 21 50 62 63 58 38 17",
        "60 20 02 14 44 62 60 60 58",
        "38 34 22 31 60 72 64 34",
        "27 32 30 60 72 54 24 12 20",
        "71 40 12 24 54 71 66 48 17 06 25",
    ),
}
"""For each digit, polylines through points of a grid of 9 x 9, x before y; a point given twice is a corner."""
QUICK: dict[int, tuple[str, ...]] = {
    0: (
        "60 30 12 05 27 58 76 73 51 30 33 62 82",
        "00 30 52 30 12 04 17 48 77 84 72 40",
        "62 30 12 04 17 48 77 84 72 50 21",
    ),
    1: (
        "06 42 60 60 48",
        "08 40 40 38",
        "05 41 60 60 57 38",
        "03 50 50 48",
        "17 32 60 52 48",
        "06 51 51 48 66",
        "04 34 52 60 48",
        "08 25 50 50 58|28 88",
        "16 60 38",
    ),
    2: (
        "44 23 11 30 60 72 56 18 06 27 48 88",
        "34 33 12 20 60 73 54 08 08 88",
        "13 10 40 62 54 08 08 58 87",
        "42 22 20 50 63 46 18 07 26 58 87",
    ),
    3: (
        "10 60 60 34 34 64 67 38 17",
        "12 30 60 62 34 64 77 48 18 06 15",
        "01 30 61 43 24 54 76 58 17 06",
    ),
    4: (
        "60 06 06 66 64 48",
        "50 06 06 76 74 58",
        "60 05 16 46 63 63 48",
        "40 03 06 26 64 64 58",
        "70 06 06 56 73 48",
        "50 04 06 56 75 74 78",
        "60 06 06 86|65 58",
        "30 05 05 75|74 68",
        "10 04 26 56 72 72 68",
        "00 05 35 70 70 58",
        "50 05 05 65 62 51 48",
        "80 40 06 06 76|64 48",
        "20 04 25 85|60 38",
    ),
    5: (
        "80 20 14 44 66 48 07",
        "60 20 15 44 65 57 38 07",
        "80 60 30 13 43 65 57 28 06",
        "20 14 54 66 48 07|20 60",
        "70 40 20 24 54 66 48 17",
    ),
    6: (
        "60 30 05 08 58 66 44 15",
        "50 23 06 18 48 66 54 15",
        "30 15 27 58 76 64 34 16",
    ),
    7: (
        "00 70 70 38|15 65",
        "02 10 80 80 46 38|15 75",
        "03 11 30 80 80 38|24 74",
        "01 80 80 48|34 74",
        "02 20 50 80 80 48 38|26 85",
        "00 40 80 80 55 48 68|24 84",
        "10 80 80 18|35 75",
    ),
    8: (
        "72 50 21 13 45 66 48 17 15 43 62 71",
        "60 30 22 44 66 48 26 14 42 62 60",
        "82 60 32 34 65 57 28 16 25 54 72 80",
    ),
    9: (
        "71 40 12 24 54 71 76 48 17 05 25 66",
        "70 30 12 24 64 71 74 57 28 07",
        "72 50 31 33 54 72 75 57 28 06 15 36",
        "61 40 21 23 53 61 65 47 18 07 06 16",
        "62 40 21 23 44 62 72 75 47 27 18 38",
        "71 50 21 13 34 63 71 66 38 07",
        "14 44 62 40 22 14 25 48 77",
        "25 53 61 40 22 24 36 58 67",
        "54 24 12 30 60 62 54 48",
        "60 72 54 23 21 50 71 76 58 38",
        "40 22 24 54 72 60 40 60 73 66 38 17",
    ),
}
"""More of them, as fast hands on the Continent write: fours like lightning with a short hook, nines whose tail curls up
again or
that are drawn like an e, ones whose upstroke begins at the foot, twos that begin inside."""

PEN = (3.0, 11.0)
"""How thick it is, as for :func:`~lab.synthesis.glyphs.drawn`: what is open in a shape must stay open."""
OFTEN = np.where(np.arange(10) == 1, 3, 1) / 12
"""How often each digit is drawn: ones more, because much of the world writes them with an upstroke, and MNIST hardly
has any.
"""


def allograph(rng: np.random.Generator, label: int, quick: float = 0.0) -> NDArray[np.uint8]:
    """A digit in one of its :data:`SHAPES`, or with the probability ``quick`` a :data:`QUICK` one; (28, 28) in MNIST's
    form.
    """
    shapes = QUICK[label] if quick and rng.random() < quick else SHAPES[label]
    text = shapes[rng.integers(len(shapes))]
    shake = rng.uniform(0.1, 0.55)
    strokes = []
    for part in text.split("|"):
        words = part.split()
        moved = {word: np.array([int(word[0]), int(word[1])]) + rng.normal(0, shake, 2) for word in words}
        strokes.append(smooth(np.array([moved[word] for word in words])))
    return frame(drawn(strokes, rng, pen=PEN))


def with_allographs(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator, count: int, quick: float = 0.0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """``images`` (N, 28, 28) and ``labels`` (N,) with ``count`` drawn digits behind them; ``quick`` as for
    :func:`allograph`.
    """
    extra = rng.choice(10, count, p=OFTEN)
    drawn_ = [allograph(rng, int(label), quick) for label in extra]
    return np.concatenate([images, *(each[None] for each in drawn_)]), np.concatenate([labels, extra])
