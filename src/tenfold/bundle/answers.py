"""Labelled predictions as a table: what was read, what it is, and how sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.csv_table import csv_text
from tenfold.values.predictions import Predictions


def answers_csv(
    made: Predictions, class_names: Sequence[str], members: Sequence[NDArray[np.float32]] = (), threshold: float | None = None
) -> str:
    """A line for each row: id, truth, class, confidence, right, sure, votes and the probability of every class.

    Args:
        made: labelled predictions.
        class_names: K names.
        members: probabilities (N, K) of each; their classes become "votes", in their order. Empty without them.
        threshold: confidence from which on an answer is "sure"; empty without one.
    """
    assert made.labels is not None
    votes = [probabilities.argmax(axis=1) for probabilities in members]
    labels, predicted, confidences = made.labels, made.predicted, made.confidence
    header = ["id", "truth", "class", "confidence", "right", "sure", "votes", *(f"p({name})" for name in class_names)]

    def row(i: int) -> list[object]:
        confidence = float(confidences[i])
        return [
            made.ids[i],
            class_names[labels[i]],
            class_names[predicted[i]],
            f"{confidence:.6f}",
            "yes" if predicted[i] == labels[i] else "no",
            "" if threshold is None else "yes" if confidence >= threshold else "no",
            " ".join(class_names[vote[i]] for vote in votes),
            *(f"{p:.6f}" for p in made.probabilities[i]),
        ]

    return csv_text(header, map(row, range(len(made))))
