"""`tenfold train`."""

from __future__ import annotations

from pathlib import Path

from tenfold.cli import _read_options as read
from tenfold.cli import _training as options


def train(
    recipe: options.Recipe = "quick",
    train: options.Train = None,
    test: options.Test = None,
    out: options.Out = Path("runs"),
    resume: options.Resume = None,
    overrides: options.Override = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    allow_inexact_resume: options.Inexact = False,
) -> None:
    """Train a recipe's members and write the model bundle."""
    options.execute(
        "train",
        recipe,
        train=train,
        test=test,
        out=out,
        resume=resume,
        overrides=overrides or [],
        workers=workers,
        device=device,
        executor=executor,
        inexact=allow_inexact_resume,
    )
