"""A training that takes a second, as files: what the tests of crashes and of equal bits run, kill and compare."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from tenfold.bundle.verification import verify
from tenfold.pipeline.run import TIMED
from tenfold.values.run import Run

RECIPE = """
name = "small"
seed = 3
[data]
train = "{train}"
test = "{test}"
validation = 0.2
[model]
layers = "4C3 BN MP2 8C3 BN FLAT SOFTMAX"
[[augment]]
kind = "affine"
shift = 0.5
[train]
epochs = {epochs}
batch_size = 50
learning_rate = 0.02
weight_average = 0.5
keep = "best"
checkpoint_minutes = {checkpoint_minutes}
[ensemble]
members = 2
"""


def write_inputs(folder: Path, *, epochs: int = 2, checkpoint_minutes: float = 1e-9) -> Path:
    """600 training and 200 unlabelled test images of 8 x 8, and a recipe of two members; returns the recipe's path.

    By default there is a checkpoint after every step.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images * 255 / 16).astype(np.uint8)[:, None]
    np.savez(folder / "train.npz", images=images[:600], labels=data.target[:600].astype(np.int64))
    np.savez(folder / "test.npz", images=images[600:800])
    recipe = folder / "small.toml"
    places = {"train": folder / "train.npz", "test": folder / "test.npz"}
    recipe.write_text(RECIPE.format(**places, epochs=epochs, checkpoint_minutes=checkpoint_minutes))
    return recipe


def command(*arguments: str | Path) -> list[str]:
    """The real command line, in a process of its own."""
    return [sys.executable, "-m", "tenfold", "--quiet", *map(str, arguments)]


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """The environment of a child that keeps its caches below ``folder``."""
    return {**os.environ, "TENFOLD_HOME": str(folder / "home"), "NO_COLOR": "1", **changes}


def bits(run: Run | Path) -> dict[str, str]:
    """SHA-256 by name of every file of a run that must not depend on when or how often it was interrupted."""
    run = run if isinstance(run, Run) else Run(run)
    names = (name for name in run.files() if Path(name).name not in TIMED)
    return {name: hashlib.sha256((run.path / name).read_bytes()).hexdigest() for name in names}


def the_run(folder: Path) -> Run | None:
    """The one run below ``folder``, or None if there is none yet (or it died before it had its recipe)."""
    found = [path for path in sorted(folder.glob("*")) if (path / "recipe.toml").is_file()]
    assert len(found) <= 1, found
    return Run(found[0]) if found else None


def started_or_resumed(folder: Path, recipe: Path, *, executor: str = "local") -> list[str]:
    """The command that brings the run below ``folder`` to its end, whatever there is of it."""
    run = the_run(folder)
    if run is None or not (run.path / "data.json").is_file():  # died before its data was recorded: begun again
        clear(folder)
        return command("run", recipe, "--out", folder, "--executor", executor)
    return command("run", "--resume", run.path, "--executor", executor)


def clear(folder: Path) -> None:
    """Remove every run below ``folder``."""
    for path in folder.glob("*"):
        shutil.rmtree(path)


def finish(folder: Path, recipe: Path, home: Path) -> Run:
    """Bring the run below ``folder`` to its end and return it, verified."""
    done = subprocess.run(
        started_or_resumed(folder, recipe), env=environment(home), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    run = the_run(folder)
    assert run is not None and verify(run.path)[0] == []
    return run
