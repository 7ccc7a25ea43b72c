"""The labels of a data set that a model, which has not learnt from them, does not believe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import MOST_IDS, Finding, row_id, share_of
from tenfold.errors import IntegrityError, printable
from tenfold.evaluation.label_issues import label_issues
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions

MANY = 1 / 1000
"""Above this share of suspected labels they are worth a warning."""


@dataclass(frozen=True, eq=False)
class Suspects:
    """Suspected labels, worst first.

    Attributes:
        data: the images, with their labels as given.
        rows: int64 (S,), their rows in ``data``.
        suggested: int64 (S,), the class that the model takes each for.
        probabilities: float32 (S, K), what the model says of each.
        judged: how many images of ``data`` the model was asked about.
    """

    data: Dataset
    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    judged: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def given(self) -> NDArray[np.int64]:
        """(S,) their labels."""
        assert self.data.labels is not None
        return self.data.labels[self.rows]

    @property
    def quality(self) -> NDArray[np.float32]:
        """(S,) the probability that each label was given."""
        return self.probabilities[np.arange(len(self.rows)), self.given]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values, worst first."""
        names = self.data.class_names
        rows = zip(self.rows, self.given, self.suggested, self.quality, strict=True)
        suspects = [
            {"id": row_id(self.data, row), "label": names[given], "suggested": names[read], "probability": float(quality)}
            for row, given, read, quality in rows
        ]
        return {"judged": self.judged, "suspects": suspects}

    def finding(self) -> Finding:
        """As a check of the data."""
        of = "images" if self.judged == len(self.data) else f"images that were judged, of {len(self.data):,},"
        if not len(self):
            return Finding("suspected-labels", "note", 0, self.judged, f"no label of the {self.judged:,} {of} is suspected")
        message = (
            f"the labels of {share_of(len(self), self.judged, of)} are probably wrong; look at them with: tenfold data review"
        )
        severity = "warning" if len(self) > MANY * self.judged else "note"
        names = self.data.class_names
        counts: dict[str, Any] = {}
        for given, suggested in zip(self.given, self.suggested, strict=True):
            pair = f"{names[given]} looks like {names[suggested]}"
            counts[pair] = counts.get(pair, 0) + 1
        details = {"counts": dict(sorted(counts.items(), key=lambda item: -item[1]))}
        ids = tuple((row_id(self.data, row),) for row in self.rows[:MOST_IDS])
        return Finding("suspected-labels", severity, len(self), self.judged, message, ids, details)  # type: ignore[arg-type]


def suspected_labels(data: Dataset, seen: Predictions) -> Suspects:
    """The labels of ``data`` that are confidently another class, by confident learning.

    Args:
        data: labelled images.
        seen: predictions of all or some of them, found by their ids, each by a model that has not learnt from it. Their
            own labels play no part.

    Raises:
        IntegrityError: predictions of images that the data do not have, or of other classes.
    """
    if data.labels is None:
        raise IntegrityError("these images have no labels that could be suspected")
    classes = seen.probabilities.shape[1]
    if classes != len(data.class_names):
        raise IntegrityError(f"the predictions are of {classes} classes, the data of {len(data.class_names)}")
    place = {str(value): row for row, value in enumerate(data.ids.tolist())}
    known = [place.get(str(value)) for value in seen.ids.tolist()]
    if None in known:
        stranger = seen.ids[known.index(None)]
        raise IntegrityError(f"there is a prediction of the image {printable(stranger)}, which the data do not have")
    rows = np.array(known, dtype=np.int64)
    if not len(rows):
        raise IntegrityError("there is no prediction of any image")
    found = label_issues(data.labels[rows], seen.probabilities)
    return Suspects(data, rows[found.rows], found.suggested[found.rows], seen.probabilities[found.rows], len(rows))
