"""The file that Kaggle scores: ``ImageId,Label``, one line an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.submission_check import HEADER, examine
from tenfold.errors import DataError, Problem
from tenfold.files import write_bytes
from tenfold.values.names import csv_text, safe_cell
from tenfold.values.predictions import Predictions


def answers_csv(
    made: Predictions,
    class_names: Sequence[str],
    members: Sequence[NDArray[np.float32]] = (),
    threshold: float | None = None,
) -> str:
    """A line for each row: id, truth, class, confidence, right, sure, votes and the probability of every class.

    Args:
        made: labelled predictions.
        class_names: K names.
        members: probabilities (N, K) of each; their classes become "votes", in their order. Empty without them.
        threshold: confidence from which on an answer is "sure"; empty without one.
    """
    votes = [probabilities.argmax(axis=1) for probabilities in members]
    labels, predicted, confidences = made.truth, made.predicted, made.confidence
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


def submission_name(leaked: bool, *, partial: bool = False) -> str:
    """The name of a submission file.

    Args:
        leaked: whether the model has seen test images with their labels.
        partial: whether members of the ensemble were left out.
    """
    path = Path("submission.partial.csv" if partial else "submission.csv")
    return marked_as_leaked(path).name if leaked else path.name


def marked_as_leaked(path: Path) -> Path:
    """``path`` with ``.leaked`` before its last suffix, unless it is there already."""
    return path if ".leaked" in path.suffixes else path.with_name(f"{path.stem}.leaked{path.suffix}")


def write_submission(path: Path, predictions: Predictions, class_names: Sequence[str], *, force: bool = False) -> None:
    """Write the predicted classes, in the order of the predictions, after an independent check of the text.

    Args:
        path: where.
        predictions: for all N test images.
        class_names: K names, what to write for each class.
        force: replace an existing file.

    Raises:
        DataError: no rows, or ids that cannot be told apart in the file.
        UsageError: the file exists and ``force`` is false.
        ValueError: not K names.
    """
    if not len(predictions):
        raise DataError(Problem(path, "no predictions", "at least one", hint="the test set is empty"))
    if len(class_names) != predictions.probabilities.shape[1]:
        raise ValueError(f"expected {predictions.probabilities.shape[1]} class names, got {len(class_names)}")
    ids = predictions.ids.tolist()
    labels = (class_names[k] for k in predictions.predicted.tolist())
    content = csv_text(HEADER, zip(ids, labels, strict=True)).encode()
    findings = examine(content, path, list(map(safe_cell, ids)), frozenset(map(safe_cell, class_names)))
    if faults := [finding.problem for finding in findings if not finding.harmless]:
        raise DataError(*faults)
    write_bytes(path, content, overwrite=force)
