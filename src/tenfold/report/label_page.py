"""The page on which a person decides about suspected labels: keep, relabel, or cannot tell; a CSV file at the end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.atomic import write_text
from tenfold.evaluation.suspects import Suspects
from tenfold.report.rendering import fill
from tenfold.report.sprites import sheet

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
