"""Where and how to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tenfold.data.options import ReadOptions

Stages = Literal["train", "run"]


@dataclass(frozen=True)
class Settings:
    """Where and how to work; none of it changes a bit of the result, except the device.

    Attributes:
        out: the folder that holds run directories.
        options: how to read the sources.
        executor: a registered executor.
        workers: members at once; None is one a core.
        device: "auto", "cpu", "cuda" or "mps".
        allow_inexact_resume: go on where the bits cannot be the same.
        allow_partial: on resume, do without members that are damaged.
        explore: write a page about the data, too.
        strict: refuse data that the checks warn of.
        scratch: a folder for the copy of the data that members read; None is the cache.
    """

    out: Path = Path("runs")
    options: ReadOptions = field(default_factory=ReadOptions)
    executor: str = "processes"
    workers: int | None = None
    device: str = "auto"
    allow_inexact_resume: bool = False
    allow_partial: bool = False
    explore: bool = False
    strict: bool = False
    scratch: Path | None = None


DEFAULTS = Settings()
