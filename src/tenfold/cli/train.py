"""`tenfold train`."""

from __future__ import annotations

from pathlib import Path

from tenfold.cli import _read_options as read
from tenfold.cli import _training as options
from tenfold.data import ReadOptions


@read.options()
def train(
    recipe: options.Recipe = "quick",
    train: options.Train = None,
    out: options.Out = Path("runs"),
    resume: options.Resume = None,
    overrides: options.Override = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    address: options.Address = None,
    insecure: options.Insecure = False,
    portable_isa: options.PortableIsa = None,
    strict: options.Strict = False,
    track: options.Track = None,
    allow_inexact_resume: options.Inexact = False,
    allow_partial: options.Partial = False,
    *,
    reading: ReadOptions,
) -> None:
    """Train a recipe's members and write the model bundle."""
    options.execute(
        "train",
        recipe,
        train=train,
        test=None,
        out=out,
        resume=resume,
        overrides=overrides or [],
        workers=workers,
        device=device,
        executor=executor,
        inexact=allow_inexact_resume,
        partial=allow_partial,
        strict=strict,
        track=track,
        reading=reading,
    )
