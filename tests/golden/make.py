"""Makes a run as the release at hand writes it, for test_k17: each release adds its own once, and none is ever changed.

    python tests/golden/make.py

The run goes to tests/golden/VERSION/, with the probabilities that its bundle gives for images made by arithmetic.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from images import images, labelled

import tenfold
from tenfold.values.recipe import parse_recipe

RECIPE = """
name = "golden"
seed = 1
[data]
validation = 0.2
[model]
layers = "4C3 BN MP2 4C3 BN FLAT D20 SOFTMAX"
[train]
epochs = 3
batch_size = 20
learning_rate = 0.02
[ensemble]
members = 2
"""


def main() -> None:
    platform.node = lambda: "somewhere"  # type: ignore[assignment]
    platform.platform = lambda *_: "some system"  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        made = tenfold.train(parse_recipe(RECIPE), train=labelled(), out=folder, executor="local", progress=False)
        target = Path(__file__).parent / tenfold.__version__
        if target.exists():
            sys.exit(f"{target} exists; what a release wrote is never changed")
        shutil.copytree(made.path, target / "run", ignore=shutil.ignore_patterns(".lock"))
        np.save(target / "probabilities.npy", tenfold.Bundle.open(target / "run").predict_proba(images()))


if __name__ == "__main__":
    main()
