"""Run directories made by hand, for tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run

SUMMARY: dict[str, Any] = {
    "test": {"accuracy": 0.9947, "low": 0.9931, "high": 0.9959, "errors": 53, "n": 10_000},
    "validation": {"accuracy": 0.99, "low": 0.98, "high": 0.995, "errors": 60, "n": 6_000},
    "seconds": {"total": 61.4, "train": 50.0},
    "core_seconds": 100.6,
    "members": 2,
    "leaked": False,
    "finished": "2026-11-23T16:00:00+0000",
}


def made_run(folder: Path, name: str = "small", *, seal: bool = True, **summary: Any) -> Run:
    """A run of two members with the figures of ``SUMMARY``, but for those given."""
    run = Run.create(folder, parse_recipe(f'name = "{name}"\n[model]\nlayers = "SOFTMAX10"\n[ensemble]\nmembers = 2\n'))
    for member in range(2 if seal else 1):
        run.member_path(member).mkdir(parents=True)
        (run.member_path(member) / "member.json").write_text("{}")
    if seal:
        (run.path / "summary.json").write_text(json.dumps(SUMMARY | summary))
        run.seal()
    return run
