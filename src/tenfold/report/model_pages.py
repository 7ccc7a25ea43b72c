"""Pages about models and other data: an evaluation, and a comparison of two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.compare import Comparison
from tenfold.evaluation.evaluated import Evaluation
from tenfold.evaluation.significance import p_text
from tenfold.files import write_text
from tenfold.report.figures import intervals
from tenfold.report.page import model_page
from tenfold.report.rendering import fill
from tenfold.report.sections import Material
from tenfold.report.sections.learning import MOST
from tenfold.report.sections.performance import headline
from tenfold.report.sprites import sheet
from tenfold.values.dataset import Dataset


def write_evaluation(
    found: Evaluation, path: Path, images: NDArray[np.uint8] | None = None, train: Dataset | None = None
) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        found: the figures.
        path: of the file; replaced if it is there.
        images: uint8 (N, C, H, W) behind the predictions, row for row; None shows no pictures.
        train: the labelled images that the model learnt from; mistakes then stand beside those they resemble.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    write_text(path, render_evaluation(found, images, train))
    return path


def render_evaluation(found: Evaluation, images: NDArray[np.uint8] | None = None, train: Dataset | None = None) -> str:
    """The page as text. See :func:`write_evaluation`."""
    sets = {found.split: found.predictions} | ({} if found.validation is None else {"validation": found.validation})
    material = Material(
        found.class_names,
        found.split,
        found.predictions,
        images,
        train,
        learnt=found.confidence,
        validation=found.validation,
        members=found.members if len(found.members) <= MOST else [],
        vote=found.vote,
        histories=found.histories,
        robustness=found.robustness,
        findings=[found.leak] if found.leak else [],
    )
    context = {
        "title": f"{found.model} on {found.source}",
        "claim": "",
        "headline": headline(sets, found.confidence),
        "leaked": found.is_leaked,
        "left_out": {},  # of a run's members: its own page says it
        "nothing_held": False,
    }
    return model_page(material, context, "the page of an evaluation")


MOST_TILES = 400
"""Images in one page; the surest disagreements come first."""


@dataclass(frozen=True)
class Tile:
    """One image that A or B got wrong: (class, confidence) as each read it. ``cell`` selects its picture, if there is
    one.
    """

    id: str
    true: int
    reads: tuple[tuple[int, float], tuple[int, float]]
    winner: str
    cell: str


def write_comparison(
    found: Comparison, path: Path, names: tuple[str, str], on: str, data: Dataset | None = None, reason: str = ""
) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        found: what was compared.
        path: of the file; replaced if it is there.
        names: what A and B are called.
        on: what the rows are called ("test").
        data: the images behind the predictions, in any order; None shows no pictures.
        reason: why there are none.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    write_text(path, render_comparison(found, names, on, data, reason))
    return path


def render_comparison(
    found: Comparison, names: tuple[str, str], on: str, data: Dataset | None = None, reason: str = ""
) -> str:
    """The page as text. See :func:`write_comparison`."""
    rows = _surest_first(found)
    shown = rows[:MOST_TILES]
    pictures = None
    if data is not None and len(shown):
        place = {str(value): row for row, value in enumerate(data.ids.tolist())}
        pictures = sheet(data.images[[place[str(value)] for value in found.a.ids[shown].tolist()]])
    classes = max(found.a.probabilities.shape[1], found.b.probabilities.shape[1])
    class_names = (
        data.class_names if data is not None and len(data.class_names) == classes else map(str, range(classes))
    )
    class_names = tuple(map(str, class_names))
    context: dict[str, Any] = {
        "long_names": any(len(name) > 3 for name in class_names),
        "contents": [("accuracy", "Accuracy"), ("images", "Images")],
        "found": found,
        "names": names,
        "on": on,
        "class_names": class_names,
        "figure": intervals(
            [(f"{letter}", s.low, s.accuracy, s.high) for letter, s in zip("AB", found.sides, strict=True)]
        ),
        "tiles": [_tile(found, int(row), pictures.cell(i) if pictures else "") for i, row in enumerate(shown)],
        "total": len(rows),
        "sheet": pictures,
        "sprites": [("differ", pictures)] if pictures else [],
        "reason": reason,
        "p_exact": p_text(found.p_exact),
        "p_mid": p_text(found.p_mid),
    }
    return fill(
        "compare.html.j2",
        context,
        scripts=("theme.js", "compare.js"),
        styles=("report.css", "compare.css"),
        filters={"points": points},
        purpose="the page of a comparison",
    )


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: ``+0.13``."""
    return f"{100 * share:+.2f}".replace("-", "−")


def _surest_first(found: Comparison) -> Any:
    """(M,) the differing rows, the most confident mistake first."""
    wrong_b = found.a.correct[found.rows]
    confidence = np.where(wrong_b, found.b.confidence[found.rows], found.a.confidence[found.rows])
    return found.rows[np.argsort(-confidence, kind="stable")]


def _tile(found: Comparison, row: int, cell: str) -> Tile:
    a, b = ((int(made.predicted[row]), float(made.confidence[row])) for made in (found.a, found.b))
    true = int(found.a.truth[row])
    return Tile(str(found.a.ids[row]), true, (a, b), "A" if a[0] == true else "B", cell)
