"""Look for wrong labels in a data set, and let a person decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import Option, OutOfFold, Page, Source, insist_on_free, place_of, read_source
from tenfold.data import GIB, ReadOptions, Role
from tenfold.errors import DataError, IntegrityError, Problem, UsageError

if TYPE_CHECKING:
    from tenfold.evaluation.label_issues import Suspects
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

DEFAULT = ReadOptions()


def review_labels(
    data: Source,
    oof: Annotated[OutOfFold, Option("--oof", "RUN|FILE")],
    *,
    out: Page | None = None,
    role: Role = "train",
    most: Annotated[int, Option(metavar="N", low=1)] = 500,
    replace: bool = True,
    options: ReadOptions = DEFAULT,
) -> Suspects:
    """Rank labels that are probably wrong, on a page where a person keeps, changes or doubts each.

    Args:
        data: labelled images: a path, or a data set's name.
        oof: a cross-validation of this data, or a .npz or CSV file of predictions. Also a run that has tested on these
            images, or that held some of them out.
        out: the page to write.
        role: which part of the source: train or test.
        most: images on the page, the worst first.
        replace: replace the page if it exists.
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
    from tenfold.evaluation.label_issues import suspected_labels

    insist_on_free(replace, out)
    read = read_source(data, role, options)
    found = suspected_labels(read, predictions_for(read, oof))
    if out is not None:
        from tenfold.report.question_pages import write_label_page

        write_label_page(found, Path(out), str(data) if isinstance(data, str | Path) else None, most)
    return found


def predictions_for(data: Dataset, source: str | Path | Run | Predictions) -> Predictions:
    """What a model that has not learnt from them says of the images of ``data``, or of some of them.

    Args:
        data: labelled images.
        source: a cross-validation, whose out-of-fold predictions are taken; another run, whose predictions of its
            test set or of the rows that it held out are; predictions; or a file of them, ``.npz`` as runs keep them
            or a table with the columns ``id`` and ``p(NAME)`` for every class.

    Raises:
        UsageError: neither a run nor such a file.
        IntegrityError: the run is of other data, or a file is damaged.
        DataError: a table that is not what it should be.
    """
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

    if isinstance(source, Predictions):
        return source
    if isinstance(source, Run):
        return _of_run(data, source)
    path = place_of(source)
    if path.is_dir():
        return _of_run(data, Run(path))
    if path.suffix == ".npz" and path.is_file():
        return Predictions.load(path)
    if path.suffix == ".csv" and path.is_file():
        return read_table(path, data.class_names)
    raise UsageError(f"{path} is neither a run, nor a .npz or .csv file of predictions; `tenfold runs` lists the runs")


def _of_run(data: Dataset, run: Run) -> Predictions:
    known = {role: (run.data.get(role) or {}).get("fingerprint") for role in ("train", "test")}
    if data.fingerprint() == known["train"]:
        name = next((name for name in ("oof", "estimate") if run.has_predictions(name)), "validation")
    elif data.fingerprint() == known["test"]:
        name = "test"
    else:
        raise IntegrityError(
            f"{run.path} was trained and tested on other data: the fingerprint here is {data.fingerprint()[:16]},"
            " there "
            + " and ".join(f"{role} has {fingerprint[:16]}" for role, fingerprint in known.items() if fingerprint)
        )
    if not run.has_predictions(name):
        raise UsageError(
            f"{run.path} has no predictions of rows that it did not learn from; cross-validate: tenfold cv"
        )
    return run.predictions(name)


def read_table(path: Path, class_names: Sequence[str]) -> Predictions:
    """The table that ``tenfold predict --probabilities --out FILE.csv`` writes, or any with these columns.

    Raises:
        DataError: a column is missing, or a value is no probability; the message names row and column.
        ResourceError: the operating system refused.
    """
    import numpy as np

    from tenfold.data.streams import read_cells
    from tenfold.values.predictions import Predictions

    rows = read_cells(path, GIB)
    _, header = next(rows)
    wanted = ["id", *(f"p({name})" for name in class_names)]
    if missing := [name for name in wanted if name not in header]:
        raise DataError(
            Problem(path, f"no column {missing[0]!r}", f"the columns {', '.join(wanted)}", row=1,
                    hint="`tenfold predict --probabilities --out FILE.csv` writes them")
        )  # fmt: skip
    places = [header.index(name) for name in wanted]
    ids, values = [], []
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(Problem(path, f"{len(cells)} cells", f"{len(header)}, as in line 1", row=number))
        ids.append(cells[places[0]])
        values.append(list(_probabilities(path, number, cells, places[1:], wanted[1:])))
    probabilities = np.array(values, dtype=np.float64).reshape(-1, len(class_names))
    sums = probabilities.sum(axis=1, keepdims=True)
    if (far := np.flatnonzero(np.abs(sums[:, 0] - 1) > 1e-3)).size:
        raise DataError(Problem(path, f"probabilities that add up to {sums[far[0], 0]:.4f}", "1", row=int(far[0]) + 2))
    return Predictions(np.array(ids), (probabilities / sums).astype(np.float32))


def _probabilities(path: Path, row: int, cells: list[str], places: list[int], names: list[str]) -> Iterator[float]:
    for place, name in zip(places, names, strict=True):
        try:
            value = float(cells[place])
        except ValueError:
            value = float("nan")
        if not 0 <= value <= 1:
            raise DataError(
                Problem(path, repr(cells[place]), "a probability, 0..1", row=row, column=place + 1, column_name=name)
            )
        yield value
