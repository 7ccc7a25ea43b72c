"""The command line, run in this process: quick, and without a shell."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

from tenfold.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def tenfold(*arguments: str | Path) -> Done:
    """Run ``tenfold`` with ``arguments``."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())
