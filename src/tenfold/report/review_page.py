"""The page on which a person confirms what a machine read: one crop after another, keys only, a CSV file at the end."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.atomic import write_text
from tenfold.report.rendering import fill

TALLEST = 160
"""Pixels; larger crops are scaled down to it."""


@dataclass(frozen=True)
class Question:
    """One line to confirm.

    Attributes:
        file: where it is from.
        number: its place there.
        guess: what was read.
        faults: why it is asked about.
        crop: uint8 (H, W), what to look at.
    """

    file: str
    number: int
    guess: str
    faults: tuple[str, ...]
    crop: NDArray[np.uint8]


def write_review_page(questions: Sequence[Question], path: Path, *, sure: int, overwrite: bool = False) -> None:
    """One HTML file that opens offline.

    Args:
        questions: what to ask, in this order.
        path: where it goes.
        sure: how many lines need no answer; said on the page.
        overwrite: replace what is there.

    Raises:
        UsageError: the file exists.
        ResourceError: jinja2 is missing, or the operating system refused.
    """
    shown = [{**vars(question), "crop": _data_url(question.crop)} for question in questions]
    context = {"questions": shown, "sure": sure, "contents": []}
    text = fill(
        "review.html.j2",
        context,
        scripts=["theme.js", "review.js"],
        styles=["report.css", "review.css"],
        purpose="the review page",
    )
    write_text(path, text, overwrite=overwrite)


def _data_url(crop: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(crop)
    if picture.height > TALLEST:
        picture = picture.resize((max(1, round(picture.width * TALLEST / picture.height)), TALLEST), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")
