"""`tenfold predict` for pictures of one digit each, of any size: brought to MNIST's form first."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli import _console
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.bundle.predict import Bundle
    from tenfold.reading.reader import Digit

STANDARD_INPUT = "-"


def bundle_and_sources(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The bundle and what it is to look at: a first argument that is a file is no bundle, so the one that comes along
    is meant.

    Raises:
        UsageError: a bundle and nothing else.
    """
    from tenfold.bundle.manifest import BUILTIN, bundle_folder
    from tenfold.errors import IntegrityError

    first = arguments[0]
    if first == STANDARD_INPUT or Path(first).is_file():
        return BUILTIN, list(arguments)
    if len(arguments) > 1:
        return first, list(arguments[1:])
    try:
        bundle_folder(first)
    except IntegrityError:
        return BUILTIN, list(arguments)
    raise UsageError(
        f"{printable(first)} is a bundle; name the images, too: tenfold predict {printable(first)} photo.png"
    )


def are_pictures(sources: Sequence[str], model: Bundle) -> bool:
    """Whether all of ``sources`` are image files that have to be brought to MNIST's form, which ``model`` must take."""
    from tenfold.bundle.pieces import is_image
    from tenfold.data.load import load_image
    from tenfold.reading.normalise import FIELD

    if model.image_shape != (1, FIELD, FIELD):
        return False
    if not all(source == STANDARD_INPUT or is_image(source) for source in sources):
        return False
    builtin = model.manifest.recipe == "builtin"
    return builtin or any(s == STANDARD_INPUT or load_image(Path(s), 1).shape != model.image_shape for s in sources)


def predict_pictures(
    model: Bundle, sources: Sequence[str], *, out: str | None, probabilities: bool, as_json: bool, force: bool
) -> None:
    """Print, or write, what each picture shows."""
    from tenfold.reading.reader import Reader

    found = Reader(model).recognise(*sources)
    if as_json:
        print(json.dumps([_as_dict(s, digit, model) for s, digit in zip(sources, found, strict=True)], indent=2))
        return
    header = ["id", "class", "confidence", *([f"p({name})" for name in model.class_names] if probabilities else [])]
    rows = [_row(s, digit, probabilities) for s, digit in zip(sources, found, strict=True)]
    if out is not None:
        from tenfold.bundle.submission import csv_text
        from tenfold.data.fetch import is_url
        from tenfold.files import write_text

        if is_url(out):
            raise UsageError(f"{printable(out)} is a URL, and what pictures show is one table here; give --out a path")
        write_text(Path(out), csv_text(header, rows), overwrite=force)
        _console.say(f"{len(rows):,} predictions in {out}")
        return
    for row in (header, *rows):
        print("\t".join(map(printable, row)))
    if any(digit.rejected and not digit.blank for digit in found):
        print('note: "?" is no digit, or too doubtful to say', file=sys.stderr)


def _row(source: str, digit: Digit, probabilities: bool) -> list[str]:
    every = [f"{p:.6f}" for p in digit.probabilities.tolist()] if probabilities else []
    return [source, "blank" if digit.blank else digit.text, f"{digit.confidence:.6f}", *every]


def _as_dict(source: str, digit: Digit, model: Bundle) -> dict[str, object]:
    shares = {name: round(p, 7) for name, p in zip(model.class_names, digit.probabilities.tolist(), strict=True)}
    answer = {
        "id": source,
        "class": digit.label or None,
        "confidence": round(digit.confidence, 7),
        "probabilities": shares,
    }
    return {**answer, "rejected": digit.rejected, "blank": digit.blank, "box": digit.box.as_list()}
