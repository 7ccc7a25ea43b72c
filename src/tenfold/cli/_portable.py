"""The option that makes a newer processor compute like an older one. It speaks through the environment, as torch
asks.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from tenfold.errors import UsageError

_VARIABLES = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}


def _pin(value: str | None) -> str | None:
    if value is not None:
        if "torch" in sys.modules:  # it has looked at the processor already
            raise UsageError("--portable-isa comes too late: torch is loaded; give it to a fresh process")
        os.environ.update(_VARIABLES[value])
    return value


PortableIsa = Annotated[
    Literal["avx2"] | None,
    typer.Option(
        "--portable-isa",
        help=(
            "Compute as a processor with these instructions would: the same bits on it and on newer ones, if more"
            " slowly."
        ),
        callback=_pin,
    ),
]
