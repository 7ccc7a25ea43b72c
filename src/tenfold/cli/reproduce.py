"""`tenfold reproduce`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli import _read_options as read
from tenfold.cli import _training as options
from tenfold.data import ReadOptions

RunToRepeat = Annotated[Path, typer.Argument(help="The run directory.", metavar="RUN", show_default=False)]
Inexact = Annotated[bool, typer.Option("--allow-inexact", help="Train even where the bits cannot be the same.")]


@read.options()
def reproduce(
    run: RunToRepeat,
    out: options.Out = Path("runs"),
    workers: options.Workers = None,
    device: options.Device = "auto",
    executor: options.ExecutorName = "processes",
    address: options.Address = None,
    insecure: options.Insecure = False,
    portable_isa: options.PortableIsa = None,
    allow_inexact: Inexact = False,
    *,
    reading: ReadOptions,
) -> None:
    """Train a run again from its own record, and compare weights, predictions, model and submission bit by bit.

    Leaves with exit code 6 if anything differs: the data, the machine, or a single file.
    """
    from tenfold import api
    from tenfold.cli import _console
    from tenfold.errors import IntegrityError

    began = time.monotonic()
    made = api.reproduce(
        run,
        out=out,
        options=reading,
        executor=executor,
        workers=workers,
        device=device,
        allow_inexact=allow_inexact,
        progress=not _console.settings.quiet,
    )
    options.print_result(made.run, time.monotonic() - began)
    if not made.different:
        print(f"reproduced {run}: {len(made.same)} files with the same bits")
    elif made.environment:
        print(
            f"not to the bit, as was to be expected ({'; '.join(made.environment)}): other bits in"
            f" {', '.join(made.different)}"
        )
    else:
        raise IntegrityError(f"{made.run.path} is not {run}: other bits in {', '.join(made.different)}")
