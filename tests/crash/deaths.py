"""Child of test_phases: runs a small training again and again, each time killed by its own hand at the files it is
told.

A line of JSON for each scenario goes to standard output. Packages are imported once; every run is a fork of this
process, so that a death costs its training and not the start of Python.
"""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

import tenfold.bundle.export
import tenfold.report.page
import tenfold.training.member
from _small_run import bits, clear, the_run
from tenfold import files
from tenfold.bundle.verification import verify
from tenfold.cli import main as tenfold


class Killing:
    """Stands in for ``os`` in the atomic writer: kills this process before or after a file gets its final name."""

    def __init__(self, pattern: str, moment: str) -> None:
        self.pattern, self.moment = pattern, moment

    def replace(self, temporary: Path, path: Path) -> None:
        """Rename, with a death on one side of it."""
        struck = fnmatch.fnmatch(str(path), f"*/{self.pattern}")
        if struck and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace(temporary, path)
        if struck:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def run(out: Path, recipe: Path, death: tuple[str, str] | None) -> int:
    """Start or resume the run below ``out`` in a fork; the status it ended with."""
    found = the_run(out)
    if found is None or not (found.path / "data.json").is_file():
        clear(out)
        arguments = ["run", str(recipe), "--out", str(out)]
    else:
        arguments = ["run", "--resume", str(found.path)]
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr
        if death:
            files.os = Killing(*death)  # type: ignore[assignment]
        try:
            tenfold(["--quiet", *arguments, "--executor", "local"])
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path, scenarios: list[list[tuple[str, str]]]) -> None:
    torch.set_num_threads(1)
    recipe = folder / "small.toml"
    whole = folder / "whole"
    whole.mkdir()
    assert run(whole, recipe, None) == 0
    expected = bits(the_run(whole))
    for number, deaths in enumerate(scenarios):
        out = folder / f"killed-{number}"
        out.mkdir()
        codes = [run(out, recipe, tuple(death)) for death in deaths] + [run(out, recipe, None)]  # type: ignore[arg-type]
        ended = the_run(out)
        found = bits(ended) if ended else {}
        different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        faults = verify(ended.path)[0] if ended and ended.is_complete else ["not complete"]
        print(json.dumps({"codes": codes, "different": different, "faults": faults}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
