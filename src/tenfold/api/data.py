"""Data: look it over, write it in another format, fetch what is known by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Folder, InMemory, Option, OutOfFold, Source, insist_on_free, read_source
from tenfold.data import ReadOptions, Role
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.data.checks import Finding
    from tenfold.values.dataset import Dataset

DEFAULT = ReadOptions()
Tested = Annotated["str | Path | Dataset | InMemory", Option("--test", "SOURCE")]


@dataclass(frozen=True)
class DataCheck:
    """What is in a source.

    Attributes:
        data: as it was read.
        findings: what the checks say, in their order.
    """

    data: Dataset
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        """All of it as a JSON object, without the pixels."""
        data = self.data
        return {
            "images": len(data),
            "shape": list(data.image_shape),
            "labelled": data.labels is not None,
            "class_names": list(data.class_names),
            "fingerprint": data.fingerprint(),
            "notes": list(data.notes),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def check_data(
    source: Source,
    *,
    test: Tested | None = None,
    role: Role = "train",
    oof: OutOfFold | None = None,
    csv: Annotated[str | Path | None, Option(metavar="FILE.csv")] = None,
    replace: bool = True,
    quick: bool = False,
    options: ReadOptions = DEFAULT,
) -> DataCheck:
    """Say what is in a source: shape, classes, duplicates near and exact, conflicts, outliers, leakage, drift.

    Args:
        source: a path, or a data set's name.
        test: look for these images among the others.
        role: which part of the source: train or test.
        oof: look for wrong labels, too: a cross-validation of this data, or a .npz or CSV file of predictions.
        csv: write the images behind the findings as a table.
        replace: replace the table if it exists.
        quick: leave out what takes longer than a moment.
        options: how to read the sources.

    Raises:
        DataError: the source cannot be read; the message names file, row and column.
        UsageError: a file is in the way.

    Example:
        >>> import tenfold
        >>> found = tenfold.check_data("train.csv", quick=True)
        >>> found.data.image_shape, [one.severity for one in found.findings if one.severity == "leak"]
        ((1, 28, 28), [])
    """
    from tenfold.data.checks import check
    from tenfold.pipeline.datasets import orientation

    insist_on_free(replace, csv, option="--csv")
    data = read_source(source, role, options)
    classes = dataclasses.replace(options, class_names=data.class_names or None)
    tested = None if test is None else read_source(test, "test", classes)
    findings = [*check(data, tested, close=not quick), *filter(None, [orientation(data)])]
    if oof is not None:
        from tenfold.api.labels import review_labels

        findings.append(review_labels(data, oof).finding())
    if csv is not None:
        from tenfold.files import write_text
        from tenfold.values.names import csv_text

        header = ("finding", "severity", "group", "place", "id")  # images of one group belong together: pairs, copies
        rows = [
            (finding.name, finding.severity, number, place, image_id)
            for finding in findings
            for number, group in enumerate(finding.ids, 1)
            for place, image_id in enumerate(group, 1)
        ]
        write_text(Path(csv), csv_text(header, rows), overwrite=replace)
    return DataCheck(data, findings)


def convert(
    source: Source,
    out: Annotated[str | Path, Option(metavar="OUT")],
    *,
    role: Role = "train",
    labels: Annotated[str | Path | None, Option(metavar="FILE.csv")] = None,
    drop_unclear: bool = False,
    replace: bool = True,
    options: ReadOptions = DEFAULT,
) -> list[Path]:
    """Write a source in another format, with labels changed where a person said so.

    Args:
        source: a path, or a data set's name.
        out: a name that ends in .npz, .csv, .csv.gz or .idx, or a new folder of images.
        role: which part of the source: train or test.
        labels: apply the decisions that the page of `data review` saved.
        drop_unclear: with decisions: leave out images of which nobody can tell.
        replace: replace files that exist.
        options: how to read the source.

    Returns:
        What was written.

    Raises:
        DataError: the source or the decisions cannot be read.
        UsageError: no such format, or a file is in the way.

    Example:
        >>> import tenfold
        >>> [path.name for path in tenfold.convert("train.csv", "train.npz")]
        ['train.npz']
    """
    from tenfold.data import convert as formats
    from tenfold.evaluation.label_issues import read_decisions, relabelled

    if drop_unclear and labels is None:
        raise UsageError("--drop-unclear is about the decisions in a file; name it with --labels FILE.csv")
    data = read_source(source, role, options)
    if labels is not None:
        data = relabelled(data, read_decisions(Path(labels)), Path(labels), drop_unclear=drop_unclear)
    return list(formats.convert(data, Path(out), role, overwrite=replace))


def fetch(
    name: Annotated[str, Option(metavar="NAME")],
    *,
    folder: Annotated[Folder, Option("--from", "DIR")] | None = None,
    mirror: Annotated[Sequence[str], Option(metavar="URL")] = (),
) -> Path:
    """Put a data set into the cache folder, verified.

    Args:
        name: the data set's name.
        folder: take it from this folder; nothing is downloaded.
        mirror: ask this address, and no other; may be repeated.

    Returns:
        Where it is.

    Raises:
        UsageError: no such data set.
        FetchError: nobody could deliver it.

    Example:
        >>> import tenfold
        >>> try:
        ...     tenfold.fetch("nist")
        ... except Exception as error:
        ...     print(error)  # doctest: +ELLIPSIS
        unknown data set 'nist'...
    """
    from tenfold.data.fetch import FetchedSource, log_progress
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    source = SOURCES.get(name) if name in named_sources() else None
    if source is None or not issubclass(source, FetchedSource):
        from difflib import get_close_matches

        close = "".join(f" - did you mean {near!r}?" for near in get_close_matches(name, named_sources(), 1))
        raise UsageError(f"unknown data set {name!r}{close}; expected one of: {', '.join(named_sources())}")
    where = None if folder is None else Path(folder)
    return source.fetch(where, mirrors=list(mirror) or None, progress=log_progress)
