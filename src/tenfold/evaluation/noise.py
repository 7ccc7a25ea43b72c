"""Which of many accuracies differ by more than noise: each run against the best on the same images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import IntegrityError
from tenfold.evaluation.significance import ALPHA, holm, mcnemar_mid_p, p_text
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

BEST = "best"


@dataclass(frozen=True, eq=False)
class Scored:
    """Which images a run got right.

    Attributes:
        rows: names the images and their labels; only figures with equal ``rows`` may be compared.
        correct: (N,).
    """

    rows: str
    correct: NDArray[np.bool_]


def scored(run: Run) -> Scored | None:
    """The run's answers on the test set, else on the rows held out; None where no labels are known or the file is damaged."""
    for name in ("test", "validation"):
        try:
            made = run.predictions(name) if run.has_predictions(name) else None
        except IntegrityError:
            return None
        if made is not None and made.labels is not None and len(made):
            return Scored(f"{name}-{_digest(made)}", made.correct)
    return None


def against_best(runs: Mapping[str, Scored]) -> dict[str, str]:
    """For each name "best", "noise (p = 0.31)" or "worse, p = 0.003": against the best of those with the same images.

    McNemar's mid-p-values, corrected after Holm for the number of runs that were compared. A run alone with its images
    is left out.
    """
    found: dict[str, str] = {}
    for names in _cohorts(runs):
        best = max(names, key=lambda name: float(runs[name].correct.mean()))
        others = [name for name in names if name != best]
        p_values = holm([_mid_p(runs[best].correct, runs[name].correct) for name in others])
        found |= {best: BEST} | {name: words(p) for name, p in zip(others, p_values, strict=True)}
    return found


def words(p: float) -> str:
    """What a p-value against the best means."""
    return f"worse, {p_text(p)}" if p <= ALPHA else f"noise ({p_text(p)})"


def _cohorts(runs: Mapping[str, Scored]) -> Sequence[list[str]]:
    """Names by the images they have in common; two names or more each."""
    together = defaultdict(list)
    for name, some in runs.items():
        together[some.rows].append(name)
    return [names for names in together.values() if len(names) > 1]


def _mid_p(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return mcnemar_mid_p(int((a & ~b).sum()), int((b & ~a).sum()))


def _digest(made: Predictions) -> str:
    """Names ids and labels, in their order."""
    digest = hashlib.sha256()
    ids: NDArray[Any] = made.ids.astype(str)
    for array in (ids, made.labels):
        assert array is not None
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
