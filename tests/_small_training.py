"""A training of a second: scikit-learn's digits as a table, and a recipe with several members."""

from __future__ import annotations

import hashlib
from pathlib import Path

from _bundles import digits
from tenfold.values.run import Run

LAYERS = "8C3 BN MP2 FLAT D20 SOFTMAX"


def table(folder: Path, rows: int = 600) -> Path:
    """A training table below ``folder``."""
    data = digits().take(range(rows))
    names = ",".join(["label", *(f"pixel{n}" for n in range(64))])
    pixels = data.images.reshape(rows, -1).tolist()
    lines = (",".join(map(str, [label, *row])) for label, row in zip(data.labels.tolist(), pixels, strict=True))
    path = folder / "train.csv"
    path.write_text("\n".join([names, *lines]) + "\n")
    return path


def recipe(folder: Path, *, members: int = 2, epochs: int = 2) -> Path:
    """A recipe file below ``folder``, whose checkpoints are frequent."""
    path = folder / "small.toml"
    path.write_text(
        f"""
name = "small"
seed = 3
[data]
validation = 0.1
[model]
layers = "{LAYERS}"
[train]
epochs = {epochs}
batch_size = 32
learning_rate = 0.01
checkpoint_minutes = 0.001
[ensemble]
members = {members}
"""
    )
    return path


def weights(run: Run) -> dict[int, str]:
    """SHA-256 of every finished member's weights."""
    files = {member: run.member_path(member) / "weights.safetensors" for member in run.finished_members()}
    return {member: hashlib.sha256(path.read_bytes()).hexdigest() for member, path in files.items()}
