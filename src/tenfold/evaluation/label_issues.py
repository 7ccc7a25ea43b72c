"""Labels that are probably wrong, from probabilities of a model that has not seen them: confident learning.

C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021.
The figures equal those of cleanlab's ``find_label_issues(filter_by="confident_learning")``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.metrics import Labels, Probabilities, check_probabilities

_ROUNDING = 1e-6
_LEAST_THRESHOLD = 2e-6


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """What confident learning makes of N labels.

    Attributes:
        rows: (S,) the suspected rows, worst first: those whose label was given the least probability.
        quality: float64 (N,), the probability that each row's own label was given ("self-confidence").
        suggested: int64 (N,), the most probable class of each row.
        joint: int64 (K, K), rows confidently counted by given label (row) and likely true class (column).
    """

    rows: NDArray[np.int64]
    quality: NDArray[np.float64]
    suggested: NDArray[np.int64]
    joint: NDArray[np.int64]

    def worst(self, count: int) -> NDArray[np.int64]:
        """The ``count`` rows of least quality, suspected or not, worst first."""
        return np.argsort(self.quality, kind="stable")[:count]


def label_issues(labels: Labels, probabilities: Probabilities) -> LabelIssues:
    """The rows whose label is confidently another class.

    A row belongs confidently to a class if its probability reaches the mean probability that rows labelled so
    get; if it reaches several, to the most probable of them. Classes that are hard for the model thus ask less.

    Args:
        labels: (N,) as given.
        probabilities: (N, K), each row by a model that was not trained on it: out of fold, or of a test set.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.
    """
    check_probabilities(labels, probabilities)
    likely = probabilities.astype(np.float64)
    classes = likely.shape[1]
    quality = likely[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=classes)
    thresholds = np.bincount(labels, weights=quality, minlength=classes) / np.maximum(counts, 1)
    thresholds = np.where(counts > 0, np.maximum(thresholds, _LEAST_THRESHOLD), np.inf)  # nothing is known of an absent class
    confident = likely >= thresholds - _ROUNDING
    suggested = likely.argmax(axis=1)
    true = np.where(confident.sum(axis=1) > 1, suggested, confident.argmax(axis=1))
    sure = confident.any(axis=1)
    joint = np.bincount(labels[sure] * classes + true[sure], minlength=classes**2).reshape(classes, classes)
    rows = np.flatnonzero(sure & (true != labels) & (suggested != labels))
    return LabelIssues(rows[np.argsort(quality[rows], kind="stable")], quality, suggested, joint)
