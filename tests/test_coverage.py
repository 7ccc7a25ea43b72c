"""G04: every branch of the atomic writer, the manifest, the input checks and the limits is run by a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUARDED = (
    "tenfold/files.py",
    "tenfold/bundle/inspection.py",
    "tenfold/bundle/manifest.py",
    "tenfold/data/streams.py",
    "tenfold/data/sources/_csv_cells.py",
    "tenfold/data/sources/_csv_header.py",
)
TESTS = (
    "tests/test_atomic.py",
    "tests/bundle/test_inspection.py",
    "tests/bundle/test_loaded.py",
    "tests/bundle/test_manifest.py",
    "tests/data/test_files.py",
    "tests/data/test_idx.py",
    "tests/data/test_kaggle_csv.py",
    "tests/data/test_messages.py",
)
"""The tests that are about these modules: a branch that only others happen to run is not guarded."""


@pytest.mark.slow
def test_g04_every_branch_of_what_guards_is_run(tmp_path: Path) -> None:
    data, report = tmp_path / "coverage", tmp_path / "coverage.json"
    include = ",".join(f"*/{name}" for name in GUARDED)
    tests = [sys.executable, "-m", "coverage", "run", "--branch", f"--data-file={data}", f"--include={include}"]
    done = subprocess.run(
        [*tests, "-m", "pytest", "-q", "-n0", "-m", "not slow", "-k", "not command", *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    subprocess.run(
        [sys.executable, "-m", "coverage", "json", f"--data-file={data}", "-o", report], cwd=ROOT, check=True
    )
    files = json.loads(report.read_text())["files"]
    assert len(files) == len(GUARDED)
    left = {name: (found["missing_lines"], found["missing_branches"]) for name, found in files.items()}
    assert {name: what for name, what in left.items() if any(what)} == {}
