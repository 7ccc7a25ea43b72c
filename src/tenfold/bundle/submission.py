"""The file that Kaggle scores: ``ImageId,Label``, one line an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenfold.atomic import write_bytes
from tenfold.bundle.csv_table import csv_text, safe_cell
from tenfold.bundle.submission_check import HEADER, examine
from tenfold.errors import DataError, Problem
from tenfold.values.predictions import Predictions


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
