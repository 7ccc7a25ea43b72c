"""What a page can say about predictions whose truth is known: the same for a run's report and for any other data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.calibration import Confidence
from tenfold.evaluation.metrics import confusion_matrix
from tenfold.report.sections import performance
from tenfold.report.sections.certainty import confidence_section
from tenfold.report.sections.learning import ensemble
from tenfold.report.sections.mistakes import Beside, hardest, mistakes, read_right, suspects
from tenfold.report.sections.performance import LARGEST, confusion
from tenfold.values.predictions import Predictions

TITLES = {
    "confusion": "Confusion",
    "mistakes": "Mistakes",
    "hardest": "Hardest",
    "suspects": "Labels",
    "confidence": "Confidence",
    "ensemble": "Members",
    "classes": "Classes",
}
"""The sections, in their order, with what the page calls them."""


def scored_sections(
    split: str,
    made: Predictions,
    names: tuple[str, ...],
    beside: Beside,
    *,
    learnt: Confidence | None = None,
    validation: Predictions | None = None,
    members: Sequence[NDArray[np.float32]] = (),
    how: str = "mean",
) -> dict[str, Any]:
    """The sections, by name; None where there is nothing to say.

    Args:
        split: what the page calls the set.
        made: its labelled predictions, one row or more.
        names: of the K classes.
        beside: images and training images.
        learnt: what the held-out rows taught.
        validation: predictions of the held-out rows, if they are another set.
        members: probabilities (N, K) of each member.
        how: the members vote.
    """
    assert made.labels is not None
    matrix = confusion_matrix(made.labels, made.predicted, len(names))
    if members:
        beside = replace(beside, votes=np.stack([probabilities.argmax(axis=1) for probabilities in members]))
    return {
        "confusion": confusion(matrix),
        "right": read_right(made, beside) if len(names) <= LARGEST else None,
        "mistakes": mistakes(made, beside),
        "hardest": hardest(made, beside),
        "suspects": suspects(made, beside),
        "confidence": confidence_section(split, made, learnt, validation),
        "ensemble": ensemble(made, members, how),
        "classes": performance.class_table(matrix, names),
    }
