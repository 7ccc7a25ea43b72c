"""`tenfold read`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli import _console
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.reading.normalise import Grey
    from tenfold.reading.reader import Reading
    from tenfold.reading.review import Rule

FORMATS = ("text", "json", "csv")
COLUMNS = ("file", "line", "place", "digit", "confidence", "rejected", "x", "y", "width", "height")


@dataclass(frozen=True)
class _Page:
    name: str
    grey: Grey
    reading: Reading


def read(
    images: Annotated[
        list[str], typer.Argument(help='Pictures: PNG, JPEG, BMP, GIF, WebP, TIFF; "-" is standard input.')
    ],
    bundle: Annotated[str, typer.Option(help="A bundle, a run that has one, or the one that comes along.")] = "builtin",
    form: Annotated[str, typer.Option("--format", help="What to print.", metavar="text|json|csv")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write to a file instead of printing.", metavar="FILE")] = None,
    show: Annotated[
        Path | None,
        typer.Option(help="Draw the boxes: a picture, or a folder for several.", metavar="FILE.png|FOLDER"),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "What lines must be: length=5, range=1-31, date=DDMMYYYY, one-of=10|20, luhn, mod11, mod97; may be"
                " repeated."
            ),
            metavar="RULE",
        ),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            help="Lines in doubt go to this page, to be confirmed; the sure ones are the CSV.", metavar="PAGE.html"
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Reject digits with less confidence, 0 to 1; default: what the bundle says.")
    ] = None,
    ink: Annotated[str, typer.Option(help="Whether the ink is dark or bright.", metavar="auto|dark|bright")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads to compute with; default: one a core.", min=1)] = None,
) -> None:
    """Read all digits in pictures: lines, boxes and how sure each one is; "?" is no digit."""
    if form not in FORMATS:
        raise UsageError(f"--format: found {printable(form)!r}, expected {', '.join(FORMATS)}")
    if ink not in ("auto", "dark", "bright"):
        raise UsageError(f"--ink: found {printable(ink)!r}, expected auto, dark or bright")
    if review is not None and form == "json":
        raise UsageError("--review goes with CSV of the sure lines; leave --format json away")
    from tenfold.bundle.predict import Bundle
    from tenfold.reading.normalise import open_image
    from tenfold.reading.reader import Reader
    from tenfold.reading.review import parse_rule

    rules = [parse_rule(text) for text in expect or []]
    drawings = _drawings(images, show)
    _insist_on_free(force, out, review, *drawings.values())
    reader = Reader(Bundle.open(bundle, threads), threshold=threshold, polarity=ink)  # type: ignore[arg-type]
    pages = []
    for name in images:
        grey = open_image(name)
        pages.append(_Page(name, grey, reader.read(grey)))
    if review is not None:
        text = _sorted_out(pages, rules, review, force=force)
    else:
        _warn(pages, rules)
        text = _as_text(pages, form)
    _draw(pages, drawings, force=force)
    if out is None:
        print(text, end="")
        return
    from tenfold.files import write_text

    write_text(out, text, overwrite=force)
    _console.say(f"{len(images):,} {'picture' if len(images) == 1 else 'pictures'} read; see {out}")


def _as_text(pages: list[_Page], form: str) -> str:
    if form == "json":
        return json.dumps([{"file": page.name, **page.reading.as_dict()} for page in pages], indent=2) + "\n"
    if form == "csv":
        from tenfold.bundle.submission import csv_text

        return csv_text(COLUMNS, (row for page in pages for row in _rows(page)))
    lines = [(page.name, text) for page in pages for text in (page.reading.text or "(blank)").split("\n")]
    return "".join(f"{printable(name)}\t{text}\n" if len(pages) > 1 else f"{text}\n" for name, text in lines)


def _rows(page: _Page) -> Iterator[list[Any]]:
    for i, line in enumerate(page.reading.lines, 1):
        for k, digit in enumerate(line.digits, 1):
            rejected = "yes" if digit.rejected else "no"
            yield [page.name, i, k, digit.label, f"{digit.confidence:.6f}", rejected, *digit.box.as_list()]


def _sorted_out(pages: list[_Page], rules: list[Rule], review: Path, *, force: bool) -> str:
    """Write the page with the doubtful lines; the sure ones as CSV."""
    from tenfold.bundle.submission import csv_text
    from tenfold.reading.review import COLUMNS, check, sorted_out
    from tenfold.report.question_pages import Question, write_review_page

    checked = [each for page in pages for each in check(page.name, page.grey, page.reading, rules)]
    sure, doubtful = sorted_out(checked)
    questions = [Question(each.file, each.number, each.guess, each.faults, each.crop) for each in doubtful]
    write_review_page(questions, review, sure=len(sure), overwrite=force)
    print(f"{len(sure):,} lines are sure, {len(doubtful):,} are to be confirmed in {review}", file=sys.stderr)
    return csv_text(COLUMNS, (each.row() for each in sure))


def _warn(pages: list[_Page], rules: list[Rule]) -> None:
    from tenfold.reading.review import faults

    for page in pages if rules else []:
        for number, line in enumerate(page.reading.lines, 1):
            for fault in faults(line.text, rules):
                print(f"warning: {printable(page.name)}, line {number}: {fault}", file=sys.stderr)


def _draw(pages: list[_Page], drawings: dict[str, Path], *, force: bool) -> None:
    from tenfold.files import make_directory, write_bytes
    from tenfold.reading.review import with_boxes

    for page in pages if drawings else []:
        make_directory(drawings[page.name].parent)
        write_bytes(drawings[page.name], with_boxes(page.grey, page.reading), overwrite=force)


def _drawings(images: list[str], show: Path | None) -> dict[str, Path]:
    """Where each picture's drawing goes."""
    if show is None:
        return {}
    if len(images) == 1 and show.suffix.lower() == ".png":
        return {images[0]: show}
    if show.suffix:
        raise UsageError(f"--show {show}: several pictures need a folder, and one needs FILE.png")
    drawings = {name: show / f"{Path(name).stem if name != '-' else 'stdin'}.boxes.png" for name in images}
    if len(set(drawings.values())) < len(drawings):
        raise UsageError(f"--show {show}: two of the pictures have the same name; draw them one by one")
    return drawings


def _insist_on_free(force: bool, *paths: Path | None) -> None:
    """Nothing is written if something stands in the way of a part of it."""
    for path in paths:
        if path is not None and path.exists() and not force:
            raise UsageError(f"{path} exists; pass --force to replace it, or choose another name")
