"""`tenfold submit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tenfold.bundle.kaggle import DIGIT_RECOGNIZER
from tenfold.bundle.kaggle import upload as upload_to_kaggle
from tenfold.bundle.submission_check import KAGGLE_ROWS, check_submission
from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import DataError, UsageError, printable


@read.options(without={"shape", "skip_bad", "follow_links", "allow_empty_classes"})
def submit(
    model: Annotated[Path | None, typer.Argument(help="A run, or a bundle.", metavar="[RUN_OR_BUNDLE]")] = None,
    test: Annotated[str | None, typer.Option(help="The images to predict.", metavar="SOURCE")] = None,
    out: Annotated[Path, typer.Option(help="The file to write; a leak adds .leaked to its name.")] = Path(
        "submission.csv"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    check: Annotated[Path | None, typer.Option(help="Only check this file.", metavar="FILE")] = None,
    rows: Annotated[int, typer.Option(help="Rows that the checked or uploaded file must have.", min=1)] = KAGGLE_ROWS,
    upload: Annotated[bool, typer.Option("--upload", help="Send it to Kaggle, through the kaggle command.")] = False,
    competition: Annotated[str, typer.Option(help="Where to send it.")] = DIGIT_RECOGNIZER,
    message: Annotated[str | None, typer.Option(help="What Kaggle shows beside it; default: recipe and key.")] = None,
    *,
    reading: ReadOptions,
) -> None:
    """Predict a test set and write Kaggle's submission.csv, or check one."""
    if check is not None:
        if model is not None or test is not None or upload:
            raise UsageError("--check looks at a file and nothing else; leave out the run, --test and --upload")
        _check(check, rows)
        print(f"{check} is a valid submission of {rows:,} rows")
        return
    if model is None or test is None:
        raise UsageError("expected: tenfold submit RUN_OR_BUNDLE --test SOURCE, or: tenfold submit --check FILE")
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.submission import marked_as_leaked, trained_on, write_submission
    from tenfold.cli._fetching import fetch_missing

    bundle = Bundle.open(model)
    fetch_missing(test)
    data = read_input(test, bundle, reading)
    finding = trained_on(model, data)
    if finding is None:
        print("note: the training images are not at hand, so nobody looked for leakage", file=sys.stderr)
    leaked = bundle.manifest.leaked if finding is None else finding.severity == "leak"
    if leaked:
        print(
            f"!!! LEAKAGE: {finding.message if finding else 'test images were among the training images'}",
            file=sys.stderr,
        )
        out = marked_as_leaked(out)
    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    if leaked and upload:
        raise UsageError(
            "this submission knows its test set by heart; its score would mean nothing, so it is not uploaded"
        )
    write_submission(out, bundle.predict(data), bundle.class_names, force=force)
    print(out)
    if upload:
        _check(out, rows)
        manifest = bundle.manifest
        _console.say(
            upload_to_kaggle(out, message or printable(f"tenfold {manifest.recipe} {manifest.recipe_key}"), competition)
        )


def _check(path: Path, rows: int) -> None:
    findings = check_submission(path, rows)
    for finding in findings:
        if finding.harmless:
            print(f"warning: {printable(finding.problem)}", file=sys.stderr)
    if faults := [finding.problem for finding in findings if not finding.harmless]:
        raise DataError(*faults)
