"""What held-out rows teach about a finished model's confidence: a temperature, and from where on to answer."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.evaluation.calibration import fit_temperature
from tenfold.evaluation.rejection import TARGET, coverage_curve, reject_threshold
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Confidence:
    """Learnt from ``images`` held-out images, and from nothing else.

    Attributes:
        temperature: what makes the probabilities honest; see :func:`~tenfold.evaluation.calibration.with_temperature`.
        reject_threshold: confidence of the model itself, before any temperature, from which on answers reach the
            accuracy ``target``; None if no confidence is enough.
        target: accuracy aimed at.
        images: how many images both were learnt from.
    """

    temperature: float
    reject_threshold: float | None
    target: float
    images: int


def learn_confidence(validation: Predictions, target: float = TARGET) -> Confidence | None:
    """What labelled predictions of held-out rows teach; None if there are no rows or no labels.

    Give the rows that training held out, never the test set: figures on rows that chose something flatter it.
    """
    if validation.labels is None or not len(validation):
        return None
    temperature = fit_temperature(validation.labels, validation.probabilities)
    threshold = reject_threshold(coverage_curve(validation.confidence, validation.correct), target)
    return Confidence(temperature, threshold, target, len(validation))
