"""Pages on which a person decides: about suspected labels, and about lines that were read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.evaluation.label_issues import Suspects
from tenfold.files import write_text
from tenfold.report.rendering import fill
from tenfold.report.sprites import sheet
from tenfold.values.display import data_uri, png

MOST = 500
"""Images on one page."""
ALTERNATIVES = 3


def write_label_page(found: Suspects, path: Path, source: str | None, most: int = MOST) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        found: what to decide about.
        path: of the file; replaced if it is there.
        source: path or name of the data; None if they are in memory only.
        most: the worst so many are shown.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    shown = min(len(found), most)
    pictures = sheet(found.data.images[found.rows[:shown]]) if shown else None
    context: dict[str, Any] = {
        "contents": [],
        "title": source or "the data set",
        "source": shlex.quote(source) if source else "DATA",
        "names": found.data.class_names,
        "total": len(found),
        "judged": found.judged,
        "sheet": pictures,
        "sprites": [("suspect", pictures)] if pictures else [],
        "items": [_item(found, place, pictures.cell(place) if pictures else "") for place in range(shown)],
    }
    text = fill(
        "labels.html.j2",
        context,
        scripts=("theme.js", "labels.js"),
        styles=("report.css", "labels.css"),
        purpose="the page of suspected labels",
    )
    write_text(path, text)
    return path


def _item(found: Suspects, place: int, cell: str) -> dict[str, Any]:
    probabilities = found.probabilities[place]
    given = int(found.given[place])
    best = np.argsort(-probabilities, kind="stable")[:ALTERNATIVES].tolist()
    return {
        "id": str(found.data.ids[found.rows[place]]),
        "given": given,
        "suggested": int(found.suggested[place]),
        "alternatives": [(k, float(probabilities[k])) for k in (best if given in best else [*best, given])],
        "cell": cell,
    }


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
        picture = picture.resize(
            (max(1, round(picture.width * TALLEST / picture.height)), TALLEST), Image.Resampling.LANCZOS
        )
    return data_uri(png(np.asarray(picture)[:, :, None]))
