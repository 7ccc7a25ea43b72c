"""How values show themselves in a notebook: a small table, and a picture where there are images.

The markup has no style of its own beyond what keeps pixels sharp, so it follows the notebook's theme.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from tenfold.values.interval import wilson_interval
from tenfold.values.thumbnails import data_uri, grid, png

SHOWN, COLUMNS = 30, 10


def table(title: str, rows: Mapping[str, object]) -> str:
    """A heading and a line for each of ``rows``; everything is escaped."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(str(name))}</th><td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table></div>"


def picture(images: NDArray[np.uint8], description: str) -> str:
    """The first thirty of the images, uint8 (N, C, H, W), ten in a line."""
    shown = data_uri(png(grid(images[:SHOWN], COLUMNS)))
    return f'<img alt="{escape(description)}" src="{shown}" style="image-rendering:pixelated;width:40em;max-width:100%">'


def share(successes: int, n: int) -> str:
    """An accuracy with its interval: ``99.53 % [99.38, 99.65] of 10,000``."""
    low, high = wilson_interval(successes, n)
    return f"{successes / n:.2%} [{low:.2%}, {high:.2%}] of {n:,}"
