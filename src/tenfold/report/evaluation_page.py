"""A model on labelled data, as one HTML file: the sections of a run's report, for any bundle and any images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.atomic import write_text
from tenfold.evaluation.evaluated import Evaluation
from tenfold.report.rendering import fill
from tenfold.report.scored import TITLES, scored_sections
from tenfold.report.sections.confusion import share_label
from tenfold.report.sections.ensemble import MOST
from tenfold.report.sections.evolution import evolution
from tenfold.report.sections.headline import headline
from tenfold.report.sections.mistakes import Beside
from tenfold.report.sections.robustness import robustness_section
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
    write_text(path, render(found, images, train))
    return path


def render(found: Evaluation, images: NDArray[np.uint8] | None = None, train: Dataset | None = None) -> str:
    """The page as text. See :func:`write_evaluation`."""
    sets = {found.split: found.predictions} | ({} if found.validation is None else {"validation": found.validation})
    scored = scored_sections(
        found.split,
        found.predictions,
        found.class_names,
        Beside(images, train=train),
        learnt=found.confidence,
        validation=found.validation,
        members=found.members if len(found.members) <= MOST else [],
        how=found.vote,
    )
    context: dict[str, Any] = {
        "found": found,
        "recipe": {"name": f"{found.model} on {found.source}", "claim": ""},
        "names": found.class_names,
        "long_names": any(len(name) > 3 for name in found.class_names),
        "headline": headline(sets),
        "leaked": found.is_leaked,
        "left_out": {},  # of a run's members: its own page says it
        "findings": [found.leak] if found.leak else [],
        "scored": scored,
        "robustness": robustness_section(found.robustness, images) if found.robustness else None,
        "evolution": evolution(found.histories, len(found.class_names), found.validation),
        "members": [],
        "counts": None,
        "total_seconds": None,
    }
    titles = TITLES | {"robustness": "Robustness"}
    shown = scored | {"robustness": context["robustness"]}
    context["contents"] = [(anchor, title) for anchor, title in titles.items() if shown.get(anchor)]
    return fill(
        "evaluation.html.j2",
        context,
        scripts=("theme.js", "report.js"),
        styles=("report.css", "evaluation.css"),
        filters={"share_label": share_label},
        purpose="the page of an evaluation",
    )
