"""`tenfold data`: what can be read, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli import _console
from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.data.checks import Finding
    from tenfold.values.dataset import Dataset

app = typer.Typer(no_args_is_help=True, help="List, fetch, check and convert data.")

Source = Annotated[str, typer.Argument(help="A path, or a data set's name.", metavar="SOURCE")]
SHOWN_GROUPS = 5
SHOWN_IDS = 5
SHOWN_SUSPECTS = 10


@app.command("list")
def list_() -> None:
    """Show the data sets known by name and the formats that can be read."""
    from tenfold.data.fetch import FetchedSource
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    print("data sets")
    for name in named_sources():
        source = SOURCES.get(name)
        folder = source.cached_in() if issubclass(source, FetchedSource) else None
        print(f"  {name:<14}{_summary(source)}")
        print(f"  {'':<14}{f'in {folder}' if folder else f'not fetched; run: tenfold data fetch {name}'}")
    print("formats")
    for name in SOURCES:
        if name not in named_sources():
            print(f"  {name:<14}{_summary(SOURCES.get(name))}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The data set's name.", metavar="NAME")],
    folder: Annotated[
        Path | None, typer.Option("--from", help="Take it from this folder; nothing is downloaded.", metavar="DIR")
    ] = None,
    mirror: Annotated[
        list[str] | None, typer.Option(help="Ask this address, and no other; may be repeated.", metavar="URL")
    ] = None,
) -> None:
    """Put a data set into the cache folder, verified."""
    from tenfold.cli._fetching import shown_progress
    from tenfold.data.fetch import FetchedSource
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    source = SOURCES.get(name) if name in named_sources() else None
    if source is None or not issubclass(source, FetchedSource):
        raise UsageError(f"unknown data set {name!r}; expected one of: {', '.join(named_sources())}")
    with shown_progress() as progress:
        place = source.fetch(folder, mirrors=mirror, progress=progress)
    print(f"{name} is in {place}")


@app.command()
@read.options()
def check(
    source: Source,
    test: Annotated[str | None, typer.Option(help="Look for these images among the others.", metavar="SOURCE")] = None,
    role: read.RoleName = "train",
    oof: read.OutOfFold = None,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with exit code 3 on a warning or worse.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the images behind the findings as a table.", metavar="FILE.csv")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.csv if it exists.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what takes longer than a moment.")] = False,
    *,
    reading: ReadOptions,
) -> None:
    """Say what is in a source: shape, classes, duplicates near and exact, conflicts, outliers, leakage, drift."""
    from dataclasses import replace

    from tenfold.bundle.submission import csv_text
    from tenfold.cli._fetching import fetch_missing
    from tenfold.data.checks import check
    from tenfold.data.checks.closely import check_closely
    from tenfold.data.load import load
    from tenfold.files import write_text

    if as_csv is not None and as_csv.exists() and not force:
        raise UsageError(f"{as_csv} exists; pass --force to replace it, or choose another name")
    fetch_missing(source, test)
    data = load(source, read.role(role), reading)
    tested = None if test is None else load(test, "test", replace(reading, class_names=data.class_names or None))
    findings = check(data, tested) + ([] if quick else check_closely(data, tested))
    if oof is not None:
        from tenfold.studies.labels import review_labels

        findings.append(review_labels(data, oof).finding())
    if as_csv is not None:
        header = ("finding", "severity", "group", "place", "id")  # images of one group belong together: pairs, copies
        write_text(as_csv, csv_text(header, _images_behind(findings)), overwrite=force)
    if as_json:
        print(json.dumps(_as_dict(data, findings), indent=2))
    else:
        _print_check(source, data, findings)
    if strict and any(finding.severity != "note" for finding in findings):
        raise typer.Exit(3)


def _images_behind(findings: Sequence[Finding]) -> Iterator[tuple[object, ...]]:
    """A line for each image of each finding, in the order of the findings."""
    for finding in findings:
        for number, group in enumerate(finding.ids, 1):
            for place, image_id in enumerate(group, 1):
                yield finding.name, finding.severity, number, place, image_id


@app.command()
@read.options()
def review(
    source: Source,
    oof: read.OutOfFoldNeeded,
    out: Annotated[Path, typer.Option(help="The page to write.", metavar="FILE.html")] = Path("labels.html"),
    most: Annotated[int, typer.Option(help="Images on the page, the worst first.", min=1, metavar="N")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and write no page.")] = False,
    role: read.RoleName = "train",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html if it exists.")] = False,
    *,
    reading: ReadOptions,
) -> None:
    """Rank labels that are probably wrong, on a page where a person keeps, changes or doubts each."""
    from tenfold.cli._fetching import fetch_missing
    from tenfold.studies.labels import review_labels

    if out.exists() and not force and not as_json:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    fetch_missing(source)
    page = None if as_json else out
    found = review_labels(source, oof, out=page, role=read.role(role), most=most, options=reading)
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    print(f"{len(found):,} of {found.judged:,} labels are suspected")
    for one in found.as_dict()["suspects"][:SHOWN_SUSPECTS]:
        labels = f"labelled {printable(one['label'])}, read as {printable(one['suggested'])}"
        print(f"  {printable(one['id'])}: {labels} ({one['probability']:.2%} for the label)")
    print(out)


@app.command()
@read.options()
def convert(
    source: Source,
    out: Annotated[
        Path, typer.Argument(help="A name that ends in .npz, .csv, .csv.gz or .idx, or a new folder of images.")
    ],
    role: read.RoleName = "train",
    labels: Annotated[
        Path | None, typer.Option(help="Apply the decisions that the page of `data review` saved.", metavar="FILE.csv")
    ] = None,
    drop_unclear: Annotated[
        bool, typer.Option("--drop-unclear", help="With --labels: leave out images of which nobody can tell.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    *,
    reading: ReadOptions,
) -> None:
    """Write a source in another format, with labels changed where a person said so."""
    from tenfold.cli._fetching import fetch_missing
    from tenfold.data.convert import convert
    from tenfold.data.load import load
    from tenfold.evaluation.label_issues import read_decisions, relabelled

    if drop_unclear and labels is None:
        raise UsageError("--drop-unclear is about the decisions in a file; name it with --labels FILE.csv")

    fetch_missing(source)
    data = load(source, read.role(role), reading)
    if labels is not None:
        data = relabelled(data, read_decisions(labels), labels, drop_unclear=drop_unclear)
    _print_notes(data)
    for path in convert(data, out, read.role(role), overwrite=force):
        print(path)


def _summary(source: type) -> str:
    return (source.__doc__ or "").partition("\n")[0].rstrip(".")


def _as_dict(data: Dataset, findings: list[Finding]) -> dict[str, object]:
    return {
        "images": len(data),
        "shape": list(data.image_shape),
        "labelled": data.labels is not None,
        "class_names": list(data.class_names),
        "fingerprint": data.fingerprint(),
        "notes": list(data.notes),
        "findings": [finding.as_dict() for finding in findings],
    }


def _print_check(source: str, data: Dataset, findings: list[Finding]) -> None:
    c, h, w = data.image_shape
    known = f"labelled, {len(data.class_names)} classes" if data.labels is not None else "unlabelled"
    print(f"{printable(source)}: {len(data):,} images of {c}x{h}x{w}, {known}")
    _print_notes(data)
    for finding in findings:
        print(f"{finding.severity:<8} {finding.name}: {printable(finding.message)}")
        for name, count in finding.details.get("counts", {}).items():
            print(f"{'':<10}{count:>9,}  {printable(name)}")
        if finding.ids:
            shown = "; ".join(" = ".join(map(printable, group[:SHOWN_IDS])) for group in finding.ids[:SHOWN_GROUPS])
            print(f"{'':<10}ids {shown}{' ...' if len(finding.ids) > SHOWN_GROUPS else ''}")


def _print_notes(data: Dataset) -> None:
    for note in data.notes:
        _console.say(f"note     {printable(note)}")
