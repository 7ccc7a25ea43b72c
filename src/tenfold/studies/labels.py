"""Look for wrong labels in a data set, and let a person decide."""

from __future__ import annotations

from pathlib import Path

from tenfold.data import ReadOptions, Role
from tenfold.data.load import load
from tenfold.evaluation.label_issues import Suspects, suspected_labels
from tenfold.studies.seen import predictions_for
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

DEFAULT = ReadOptions()


def review_labels(
    data: str | Path | Dataset,
    oof: str | Path | Run | Predictions,
    *,
    out: str | Path | None = None,
    role: Role = "train",
    most: int = 500,
    options: ReadOptions = DEFAULT,
) -> Suspects:
    """Rank the labels of a data set that are probably wrong, by predictions of models that have not learnt from them.

    Args:
        data: labelled images: a path, a data set's name, or a dataset.
        oof: a cross-validation of these images; a run that has tested on them, or that held some of them out;
            predictions of them, or a ``.npz`` or CSV file of such.
        out: a page on which a person decides about each; replaced if it is there.
        role: which part of ``data``.
        most: so many images on the page at most, the worst.
        options: how to read ``data``.

    Returns:
        The suspected labels, worst first.

    Raises:
        DataError: the data, or a table of predictions, is not what it should be.
        UsageError: ``oof`` is neither a run nor such a file.
        IntegrityError: the predictions are of other data.
        ResourceError: a package is missing, or the page cannot be written.

    Example:
        >>> import tenfold
        >>> found = tenfold.review_labels("mnist", "runs/RUN", out="review.html")  # the rows that RUN held out
        >>> len(found.data.ids[found.rows]) == len(found.rows)
        True
    """
    read = data if isinstance(data, Dataset) else load(data, role, options)
    found = suspected_labels(read, predictions_for(read, oof))
    if out is not None:
        from tenfold.report.question_pages import write_label_page

        write_label_page(found, Path(out), None if isinstance(data, Dataset) else str(data), most)
    return found
