"""`tenfold predict`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli import _batch as batch
from tenfold.cli import _console
from tenfold.cli import _executors as executors
from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.values.predictions import Predictions


@read.options(without={"shape"})
def predict(
    arguments: Annotated[
        list[str],
        typer.Argument(
            help=(
                "A bundle or run (default: what comes along); image files, tables, folders, URLs, patterns, a data"
                " set's name."
            ),
            metavar="[BUNDLE] SOURCE...",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help=(
                "Write a CSV file, in constant memory; if interrupted, the same command goes on. With --parts a folder"
                " or URL."
            ),
            metavar="FILE.csv",
        ),
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add the probability of every class.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.csv if it exists.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads to compute with; default: one a core.", min=1)] = None,
    parts: batch.Parts = False,
    executor: batch.ExecutorName = "local",
    workers: batch.Workers = None,
    address: executors.Address = None,
    insecure: executors.Insecure = False,
    *,
    reading: ReadOptions,
) -> None:
    """Say what the images show: id, class and confidence of each."""
    from tenfold.bundle.batch import predict_to_csv, table_rows
    from tenfold.bundle.pieces import is_image, polarity_warning, read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.cli._batch import Watch
    from tenfold.cli._fetching import fetch_missing
    from tenfold.cli._pictures import STANDARD_INPUT, are_pictures, bundle_and_sources, predict_pictures
    from tenfold.data.fetch import expanded

    if out is not None and as_json:
        raise UsageError("--out writes CSV and --json prints; choose one of them")
    bundle, sources = bundle_and_sources(arguments)
    sources = expanded(sources)
    fetch_missing(*sources)
    if all(source == STANDARD_INPUT or is_image(source) for source in sources):
        model = Bundle.open(bundle, threads)
        if are_pictures(sources, model):
            predict_pictures(model, sources, out=out, probabilities=probabilities, as_json=as_json, force=force)
            return
    if out is not None:
        with Watch() as watch:
            outcome = predict_to_csv(
                Path(bundle),
                sources,
                out,
                options=reading,
                probabilities=probabilities,
                as_parts=parts,
                force=force,
                executor=executor,
                workers=workers,
                threads=threads,
                on_progress=watch,
            )
        for text in outcome.warnings:
            print(f"warning: {text}", file=sys.stderr)
        earlier = f", {outcome.reused:,} of them from before" if outcome.reused else ""
        _console.say(f"{outcome.rows:,} predictions in {out}{earlier}")
        return
    if parts or executor != "local":
        raise UsageError("--parts and --executor are for --out FILE.csv; printing happens here")
    model = Bundle.open(bundle, threads)
    made = []
    for source in sources:
        data = read_input(source, model, reading)
        if warning := polarity_warning(data, model):
            print(f"warning: {printable(source)}: {warning}", file=sys.stderr)
        made.append(model.predict(data))
    if as_json:
        print(json.dumps([row for each in made for row in _as_dicts(each, model.class_names)], indent=2))
        return
    header = ["id", "class", "confidence", *([f"p({name})" for name in model.class_names] if probabilities else [])]
    rows = (row for each in made for row in table_rows(each, model.class_names, probabilities))
    for row in (header, *rows):
        print("\t".join(map(printable, row)))


def _as_dicts(made: Predictions, class_names: Sequence[str]) -> Iterator[dict[str, object]]:
    for identity, k, values in zip(
        made.ids.tolist(), made.predicted.tolist(), made.probabilities.tolist(), strict=True
    ):
        shares = {name: round(p, 7) for name, p in zip(class_names, values, strict=True)}
        yield {"id": identity, "class": class_names[k], "confidence": shares[class_names[k]], "probabilities": shares}
