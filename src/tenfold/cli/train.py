"""`tenfold train`."""

from __future__ import annotations

from pathlib import Path

from tenfold.cli import _read_options as read
from tenfold.cli import _training as options


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
    no_header: read.NoHeader = False,
    scale: read.Scale = None,
    shape: read.Shape = None,
    allow_float_integers: read.AllowFloatIntegers = False,
    max_input_bytes: read.MaxInputBytes = None,
    skip_bad: read.SkipBad = False,
    follow_links: read.FollowLinks = False,
    allow_empty_classes: read.AllowEmptyClasses = False,
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
        reading=read.read_options(
            no_header=no_header,
            scale=scale,
            shape=shape,
            allow_float_integers=allow_float_integers,
            max_input_bytes=max_input_bytes,
            skip_bad=skip_bad,
            follow_links=follow_links,
            allow_empty_classes=allow_empty_classes,
        ),
    )
