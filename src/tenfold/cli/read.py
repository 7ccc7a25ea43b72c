"""`tenfold read`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli import _console
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.reading.results import Reading

FORMATS = ("text", "json", "csv")
COLUMNS = ("file", "line", "place", "digit", "confidence", "rejected", "x", "y", "width", "height")


def read(
    images: Annotated[list[str], typer.Argument(help='Pictures: PNG, JPEG, BMP, GIF, WebP, TIFF; "-" is standard input.')],
    bundle: Annotated[str, typer.Option(help="A bundle, a run that has one, or the one that comes along.")] = "builtin",
    form: Annotated[str, typer.Option("--format", help="What to print.", metavar="text|json|csv")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write to a file instead of printing.", metavar="FILE")] = None,
    show: Annotated[
        Path | None,
        typer.Option(help="Draw the boxes: a picture, or a folder for several.", metavar="FILE.png|FOLDER"),
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
    from tenfold.atomic import make_directory, write_bytes, write_text
    from tenfold.bundle.csv_table import csv_text
    from tenfold.bundle.loaded import Bundle
    from tenfold.reading.drawing import with_boxes
    from tenfold.reading.images import open_image
    from tenfold.reading.reader import Reader

    reader = Reader(Bundle.open(bundle, threads), threshold=threshold, polarity=ink)  # type: ignore[arg-type]
    drawings = _drawings(images, show)
    readings: list[tuple[str, Reading]] = []
    for name in images:
        grey = open_image(name)
        reading = reader.read(grey)
        readings.append((name, reading))
        if show is not None:
            make_directory(drawings[name].parent)
            write_bytes(drawings[name], with_boxes(grey, reading), overwrite=force)
        if form == "text" and out is None:
            _print(name, reading, named=len(images) > 1)
    if form == "json":
        text = json.dumps([{"file": name, **reading.as_dict()} for name, reading in readings], indent=2) + "\n"
    elif form == "csv":
        text = csv_text(COLUMNS, (row for name, reading in readings for row in _rows(name, reading)))
    else:
        text = "".join(f"{reading.text}\n" for _, reading in readings)
    if out is not None:
        write_text(out, text, overwrite=force)
        _console.say(f"{len(images):,} pictures read, in {out}")
    elif form != "text":
        print(text, end="")


def _print(name: str, reading: Reading, *, named: bool) -> None:
    for line in reading.lines or ():
        print(f"{printable(name)}\t{line.text}" if named else line.text)
    if reading.blank:
        print(f"{printable(name)}\t(blank)" if named else "(blank)")


def _rows(name: str, reading: Reading) -> Iterator[list[Any]]:
    for i, line in enumerate(reading.lines, 1):
        for k, digit in enumerate(line.digits, 1):
            rejected = "yes" if digit.rejected else "no"
            yield [name, i, k, digit.label, f"{digit.confidence:.6f}", rejected, *digit.box.as_list()]


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
