"""Everything that labelled data say about a model, in one value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding
from tenfold.evaluation.calibration import (
    Confidence,
    CoverageCurve,
    Selection,
    area_over,
    coverage_curve,
    select,
    with_temperature,
)
from tenfold.evaluation.label_issues import label_issues
from tenfold.evaluation.metrics import Score, class_scores, confusion_matrix, hardest_rows, most_confused_pairs, score
from tenfold.evaluation.robustness import Robustness
from tenfold.values import display
from tenfold.values.predictions import Predictions

COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
"""Shares of the images, the surest ones, at which :meth:`Evaluation.as_dict` gives the accuracy."""
HARDEST = 24


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's predictions of N labelled images, K classes, with what is needed to judge them.

    Attributes:
        model: what it is called.
        source: what the data are called.
        split: which part of them, "test" or "train".
        predictions: as the model says, before any temperature.
        class_names: (K,).
        confidence: temperature and reject threshold that the model came with; None if nothing was held out.
        validation: predictions of the rows held out, where they are at hand.
        members: float32 (N, K) of each member, where there are several and they can be told apart.
        vote: how the members' probabilities become one.
        histories: what each member's epochs were like, of a run.
        leak: which of the images the model was trained on; None if nobody can tell.
        robustness: accuracy as the images get worse; None if that was not asked for.
    """

    model: str
    source: str
    split: str
    predictions: Predictions
    class_names: tuple[str, ...]
    confidence: Confidence | None = None
    validation: Predictions | None = None
    members: list[NDArray[np.float32]] = field(default_factory=list)
    vote: str = "mean"
    histories: list[list[dict[str, Any]]] = field(default_factory=list)
    leak: Finding | None = None
    robustness: Robustness | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) the true classes."""
        return self.predictions.truth

    @property
    def is_leaked(self) -> bool:
        """Whether the model was trained on so many of the images that the figures mean nothing."""
        return self.leak is not None and self.leak.severity == "leak"

    @cached_property
    def score(self) -> Score:
        """The headline figures."""
        return score(self.split, self.predictions)

    @cached_property
    def calibrated(self) -> Score | None:
        """The same at the temperature; None without one."""
        if self.confidence is None:
            return None
        scaled = with_temperature(self.predictions.probabilities, self.confidence.temperature)
        return score(self.split, Predictions(self.predictions.ids, scaled, self.labels))

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K) images by true class (row) and predicted class (column)."""
        return confusion_matrix(self.labels, self.predictions.predicted, len(self.class_names))

    @cached_property
    def curve(self) -> CoverageCurve:
        """How many images are answered, and how well, at every confidence asked for."""
        return coverage_curve(self.predictions.confidence, self.predictions.correct)

    @property
    def answered(self) -> Selection | None:
        """What the reject threshold does to these images; None without one."""
        if self.confidence is None or self.confidence.reject_threshold is None:
            return None
        return select(self.predictions.confidence, self.predictions.correct, self.confidence.reject_threshold)

    @cached_property
    def suspected(self) -> NDArray[np.int64]:
        """The rows whose label is probably wrong, by confident learning, worst first; meaningless for rows learnt
        from.
        """
        return label_issues(self.labels, self.predictions.probabilities).rows

    def hardest(self, count: int = HARDEST) -> NDArray[np.int64]:
        """The rows whose true class was given the least probability, hardest first."""
        return hardest_rows(self.labels, self.predictions.probabilities, count)

    def as_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values; NaN is None."""
        return {
            "model": self.model,
            "data": self.source,
            **self.score.as_dict(),
            "temperature": self._temperature(),
            "reject": self._reject(),
            "coverage": [{"coverage": share, "accuracy": self._accuracy_at(share)} for share in COVERAGES],
            "area_over_curve": area_over(self.curve),
            "classes": self._classes(),
            "confusion": self.confusion.tolist(),
            "confused": [
                {
                    "true": self.class_names[pair.true],
                    "predicted": self.class_names[pair.predicted],
                    "count": pair.count,
                }
                for pair in most_confused_pairs(self.confusion)
            ],
            "hardest": self.predictions.ids[self.hardest()].tolist(),
            "members": [self._member(probabilities) for probabilities in self.members],
            "suspected_labels": self.predictions.ids[self.suspected].tolist(),
            "leaked": self.is_leaked,
            "robustness": self.robustness.as_dict() if self.robustness else None,
        }

    def _repr_html_(self) -> str:
        """In a notebook: the headline figures."""
        rows: dict[str, object] = {
            "accuracy": self.score.text,
            "log-loss": f"{self.score.log_loss:.4f}",
            "calibration error": f"{self.score.calibration_error:.2%}",
        }
        rows |= {"warning": "the model was trained on these images"} if self.is_leaked else {}
        return display.table(f"{self.model} on {self.source}", rows)

    def _temperature(self) -> dict[str, float] | None:
        if self.confidence is None or self.calibrated is None:
            return None
        after = self.calibrated
        figures = {"log_loss": after.log_loss, "brier": after.brier, "calibration_error": after.calibration_error}
        return {"temperature": self.confidence.temperature, "learnt_from": self.confidence.images, **figures}

    def _reject(self) -> dict[str, float] | None:
        found = self.answered
        if self.confidence is None or self.confidence.reject_threshold is None or found is None:
            return None
        return {
            "threshold": self.confidence.reject_threshold,
            "target": self.confidence.target,
            **asdict(found),
            "coverage": found.coverage,
            "accuracy": found.accuracy,
            "low": found.score.low,
            "high": found.score.high,
        }

    def _accuracy_at(self, coverage: float) -> float:
        """Accuracy of the fewest surest images that are at least this share of all."""
        place = int(np.searchsorted(self.curve.answered, coverage * self.curve.total - 1e-9))
        return float(self.curve.accuracy[place])

    def _classes(self) -> list[dict[str, Any]]:
        scores = class_scores(self.confusion)
        columns = {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
        return [
            {"name": name, "images": int(scores.support[k])}
            | {figure: float(values[k]) if np.isfinite(values[k]) else None for figure, values in columns.items()}
            for k, name in enumerate(self.class_names)
        ]

    def _member(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        alone = score("", Predictions(self.predictions.ids, probabilities, self.labels))
        return {name: value for name, value in alone.as_dict().items() if name != "split"}
