"""Whether a run or a bundle still is what it was: hashes, finite weights, and the answer it gave when it was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tenfold.bundle.golden import GOLDEN_TOLERANCE, golden_image
from tenfold.bundle.loaded import Bundle
from tenfold.bundle.manifest import MANIFEST
from tenfold.errors import IntegrityError
from tenfold.values.run import Run


def verify(path: Path) -> tuple[list[str], str]:
    """What is wrong with the run directory or the bundle at ``path``, one sentence each, and what was looked at.

    Raises:
        UsageError: it is neither.
        IntegrityError: it has no readable manifest, or the model is not what its manifest says.
        ResourceError: the operating system refused.
    """
    if not (path / "recipe.toml").is_file() and (path / MANIFEST).is_file():
        return answer_faults(path), "the model as recorded, its answer as on the day it was made"
    run = Run(path)
    faults = run.verify()
    looked_at = f"complete, all {len(run.files())} files as recorded"
    weights = sorted(run.path.glob("**/members/*/weights.safetensors"))
    for file in weights:
        faults += _weight_faults(file, file.relative_to(run.path).as_posix())
    if weights:
        looked_at += ", weights finite"
    if (run.path / "bundle" / MANIFEST).is_file():
        try:
            faults += answer_faults(run.path)
        except IntegrityError as error:
            faults += error.lines()
        looked_at += ", the model's answer as on the day it was made"
    return faults, looked_at


def answer_faults(path: Path) -> list[str]:
    """Ask the bundle at ``path`` what it was asked when it was made; one sentence if the answer is another now.

    Raises:
        IntegrityError: it cannot be opened.
    """
    bundle = Bundle.open(path, threads=1)
    recorded = bundle.manifest.golden
    if recorded is None:  # written before bundles had one
        return []
    answer = bundle.predict_proba(golden_image(bundle.image_shape)[None], every_look=True)[0]
    if len(recorded) != len(answer):
        return [f"{MANIFEST} records an answer of {len(recorded):,} probabilities, the model gives {len(answer):,}"]
    apart = float(np.abs(answer - np.asarray(recorded)).max())
    if apart <= GOLDEN_TOLERANCE:
        return []
    return [f"{MANIFEST} records another answer than the model gives here: probabilities differ by {apart:.1e}"]


def _weight_faults(file: Path, name: str) -> list[str]:
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        return [f"{name} cannot be read: {error}"]
    return [f"{name}: {key} is not finite" for key, tensor in sorted(tensors.items()) if not np.isfinite(tensor).all()]
