"""`tenfold evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.evaluation.evaluated import Evaluation
    from tenfold.evaluation.robustness import Robustness

PAIRS = 5


@read.options(without={"shape"})
def evaluate(
    model: Annotated[str, typer.Argument(help="A run, a bundle, or builtin.", metavar="RUN|BUNDLE")],
    data: Annotated[str, typer.Argument(help="Labelled images: a path, or a data set's name.", metavar="DATA")],
    train: Annotated[
        str | None,
        typer.Option(
            help="What the model learnt from, to show beside its mistakes; default: as the run says.", metavar="SOURCE"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page to write; default: evaluation.html.", metavar="FILE.html")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a line for each image, too.", metavar="FILE.csv")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; no page unless --out names one.")] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Corrupt the images in 24 ways and 5 severities, and ask again.")
    ] = False,
    robustness_images: Annotated[
        int, typer.Option(help="How many images to corrupt, spread evenly over the data; 0 is all.", min=0, metavar="N")
    ] = 2000,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads to compute with; default: one a core.", min=1)] = None,
    role: read.RoleName = "test",
    *,
    reading: ReadOptions,
) -> None:
    """Judge a model by labelled images: accuracy, calibration, confusions, every mistake, as one page."""
    from tenfold.cli._fetching import fetch_missing
    from tenfold.studies.evaluating import evaluate

    page = out or (None if as_json else Path("evaluation.html"))
    for path, option in ((page, "--out"), (csv, "--csv")):
        if path is not None and path.exists() and not force:
            raise UsageError(f"{path} exists; pass --force to replace it, or choose another name with {option}")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path.parent} is no folder; make it, or choose another place with {option}")
    fetch_missing(data, train)
    found = evaluate(
        model,
        data,
        train=train,
        role=read.role(role),
        out=page,
        csv=csv,
        options=reading,
        robustness=robustness,
        robustness_images=robustness_images or None,
        threads=threads,
        progress=not _console.settings.quiet,
    )
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    _print_figures(found)
    if found.robustness is not None:
        _print_robustness(found.robustness)
    for path in (page, csv):
        if path is not None:
            print(path)


def _print_figures(found: Evaluation) -> None:
    score, names = found.score, [printable(name) for name in found.class_names]
    figures = found.as_dict()
    print(
        f"accuracy       {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}]  {score.errors:,} errors in"
        f" {score.n:,} images"
    )
    print(
        f"log-loss       {score.log_loss:.4f}   Brier {score.brier:.4f}   calibration error"
        f" {score.calibration_error:.2%}"
    )
    if after := figures["temperature"]:
        print(
            f"temperature    {after['temperature']:.3g}: log-loss {after['log_loss']:.4f}, Brier {after['brier']:.4f}, "
            f"calibration error {after['calibration_error']:.2%}"
        )
    if reject := figures["reject"]:
        print(
            f"if sure        from confidence {reject['threshold']:.4f} on: {reject['coverage']:.2%} answered, "
            f"{reject['errors']:,} errors among them ({reject['accuracy']:.2%} right)"
        )
    elif found.confidence is not None:
        print(
            f"if sure        no confidence was enough for {found.confidence.target:.1%} right answers on the rows"
            " held out"
        )
    if len(found.members) > 1:
        alone = [member["accuracy"] for member in figures["members"]]
        print(f"members        {len(alone)}, {min(alone):.2%} to {max(alone):.2%} alone")
    if figures["confused"]:
        pairs = [f"{p['true']} as {p['predicted']} ({p['count']})" for p in figures["confused"][:PAIRS]]
        print(f"confused       {printable(', '.join(pairs))}")
    weakest = min((row for row in figures["classes"] if row["recall"] is not None), key=lambda row: row["recall"])
    print(f"weakest class  {names[found.class_names.index(weakest['name'])]}: {weakest['recall']:.2%} found")
    if found.leak is not None and found.leak.severity != "note":
        loud = "\n!!! LEAKAGE: " if found.is_leaked else "warning: "
        _console.say(f"{loud}{printable(found.leak.message)}")


def _print_robustness(found: Robustness) -> None:
    """One line a corruption, the most costly first."""
    from tenfold.report.runs_page import Table

    severities = [level.severity for level in found.rows[0].levels]
    header = ("corruption", *map(str, severities), "mean", "worse than clean")
    rows = [
        [
            row.name,
            *(f"{level.accuracy:.1%}" for level in row.levels),
            f"{row.mean:.1%}",
            "not significantly" if row.worse_from(found.clean) is None else f"from {row.worse_from(found.clean)} on",
        ]
        for row in sorted(found.rows, key=lambda row: row.mean)
    ]
    _console.print_table(Table(header, rows, right=header[1:-1]))
    known = "" if found.mnist_c is None else f"; over MNIST-C's fifteen {found.mnist_c:.2%}"
    print(f"{found.images:,} images: clean {found.clean:.2%}, corrupted {found.mean:.2%}{known}")
