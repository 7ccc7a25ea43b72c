"""Submit: the file that Kaggle takes, checked before it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import Option, RunLike, insist_on_free, place_of
from tenfold.data import ReadOptions
from tenfold.errors import DataError, UsageError, printable

if TYPE_CHECKING:
    from tenfold.bundle import submission_check
    from tenfold.data.checks import Finding

DEFAULT = ReadOptions()
KAGGLE_ROWS = 28_000
DIGIT_RECOGNIZER = "digit-recognizer"


@dataclass(frozen=True)
class Submission:
    """A submission that was written.

    Attributes:
        path: the file; after a leak its name ends in ``.leaked.csv``.
        leak: what the look for test images among the training images found; None if they are not at hand.
        leaked: whether a score would mean nothing.
        warnings: what the check before an upload remarked.
        answer: what Kaggle said; None if it was not sent.
    """

    path: Path
    leak: Finding | None
    leaked: bool
    warnings: tuple[str, ...] = ()
    answer: str | None = None


def submit(
    model: RunLike,
    test: Annotated[str | Path, Option("--test", "SOURCE")],
    *,
    out: Annotated[str | Path, Option(metavar="FILE.csv")] = "submission.csv",
    replace: bool = True,
    rows: Annotated[int, Option(low=1, high=10_000_000)] = KAGGLE_ROWS,
    upload: bool = False,
    competition: str = DIGIT_RECOGNIZER,
    message: str | None = None,
    options: ReadOptions = DEFAULT,
) -> Submission:
    """Predict a test set and write Kaggle's submission.csv, or check one.

    Args:
        model: a run, or a bundle.
        test: the images to predict.
        out: the file to write; a leak adds .leaked to its name.
        replace: replace the file if it exists.
        rows: rows that the checked or uploaded file must have.
        upload: send it to Kaggle, through the kaggle command.
        competition: where to send it.
        message: what Kaggle shows beside it; default: recipe and key.
        options: how to read the test set.

    Raises:
        UsageError: the file is in the way, or a leaked submission was to be uploaded.
        DataError: the test set is not what it should be.
        IntegrityError: no such bundle.

    Example:
        >>> import tenfold
        >>> tenfold.submit("runs/RUN", "test.csv").path.name
        'submission.csv'
    """
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.submission import marked_as_leaked, write_submission
    from tenfold.bundle.verification import trained_on

    place, path = place_of(model), Path(out)
    bundle = Bundle.open(place)
    data = read_input(test, bundle, options)
    leak = trained_on(place, data)
    leaked = bundle.manifest.leaked if leak is None else leak.severity == "leak"
    if leaked:
        path = marked_as_leaked(path)
    insist_on_free(replace, path)
    if leaked and upload:
        raise UsageError(
            "this submission knows its test set by heart; its score would mean nothing, so it is not uploaded"
        )
    write_submission(path, bundle.predict(data), bundle.class_names, force=replace)
    if not upload:
        return Submission(path, leak, leaked)
    from tenfold.bundle.submission_check import upload as send

    findings = check_submission(path, rows=rows)
    if faults := [finding.problem for finding in findings if not finding.harmless]:
        raise DataError(*faults)
    warnings = tuple(printable(finding.problem) for finding in findings)
    text = message or printable(f"tenfold {bundle.manifest.recipe} {bundle.manifest.recipe_key}")
    return Submission(path, leak, leaked, warnings, send(path, text, competition))


def check_submission(path: str | Path, *, rows: int = KAGGLE_ROWS) -> list[submission_check.Finding]:
    """Say whether Kaggle will take a submission.

    Args:
        path: the file, or the run that wrote it.
        rows: that it must have.

    Returns:
        What Kaggle would refuse, with line and column, and oddities, which are ``harmless``.

    Raises:
        ResourceError: the file cannot be read.

    Example:
        >>> import tenfold
        >>> tenfold.check_submission(tenfold.submit("runs/RUN", "test.csv").path, rows=100)
        []
    """
    from tenfold.bundle import submission_check

    place = place_of(path)
    return submission_check.check_submission(place / "submission.csv" if place.is_dir() else place, rows)
