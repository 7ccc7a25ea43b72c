"""`tenfold export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import _read_options as read
from tenfold.data import ReadOptions
from tenfold.errors import UsageError


@read.options(without={"shape", "allow_float_integers", "skip_bad", "follow_links", "allow_empty_classes"})
def export(
    run: Annotated[Path, typer.Argument(help="A run, or a bundle.", metavar="RUN")],
    to: Annotated[str, typer.Option(help="onnx, c, mlflow or hub.", metavar="onnx|c|mlflow|hub")],
    out: Annotated[Path | None, typer.Option(help="What to write; default: a name that says what it is.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="For onnx: labelled images; an int8 model is made too, and its loss measured.", metavar="SOURCE"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    *,
    reading: ReadOptions,
) -> None:
    """Write a trained model in a form that others take: ONNX, C, an MLflow or a model hub's folder."""
    from tenfold.bundle.manifest import MANIFEST, bundle_folder, model_bytes, read_manifest
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.targets import TARGETS, Request
    from tenfold.cli._fetching import fetch_missing

    target = TARGETS.get(to)
    if data is not None and not target.measures:
        raise UsageError(f"--data is for --to onnx, which measures an int8 model with it; leave it out for --to {to}")
    out = out or Path(target.default)
    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name")
    model = model_bytes(run)
    bundle = Bundle(read_manifest(bundle_folder(run) / MANIFEST), model)
    measured = None
    if data is not None:
        fetch_missing(data)
        measured = read_input(data, bundle, reading)
        bundle.check(measured)
    for line in target.write(Request(bundle, model, out, force, measured)):
        print(line)
