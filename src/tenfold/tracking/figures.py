"""What trackers are told, each in its own words: flat parameters, and the figures of an epoch and of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenfold.values.run import Run

CURVES = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}
"""Keys of a history's rows, and what trackers call them."""


def title(run: Run) -> str:
    """The name of a run; a trial's stands behind that of its search."""
    is_trial = run.path.parent.name == "trials"
    return f"{run.path.parents[1].name}/{run.path.name}" if is_trial else run.path.name


def parameters(run: Run) -> dict[str, str]:
    """The recipe with every default spelled out, one level deep: ``train.epochs`` -> ``12``."""
    return dict(_flat(run.recipe.model_dump(mode="json", exclude={"claim", "expected"}), ""))


def epoch_figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The curves' values at the end of an epoch; what is unknown is left out."""
    found = {name: row.get(key) for key, name in CURVES.items()}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def final_figures(run: Run) -> dict[str, float]:
    """The headline figures of a complete run."""
    summary = run.summary
    found: dict[str, float] = {}
    for split in ("test", "validation"):
        figures = summary.get(split) or {}
        found |= {
            f"{split}/{name}": float(figures[name]) for name in ("accuracy", "low", "high", "errors") if name in figures
        }
    found |= {
        name: float(summary[name]) for name in ("mean", "deviation", "core_seconds") if summary.get(name) is not None
    }
    found["seconds"] = float(summary["seconds"]["total"])
    return found


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        items = [(str(number), part) for number, part in enumerate(value)]
    else:
        return [] if value is None else [(name, str(value))]
    return [pair for key, part in items for pair in _flat(part, f"{name}.{key}" if name else key)]
