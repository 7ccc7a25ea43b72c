"""Small runs, written by hand as training writes them: digits of scikit-learn, predictions that are wrong where we
say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.files import make_directory, write_json, write_text
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run

RECIPE = """
name = "small"
claim = "Wrong on purpose <b>& sure</b>."
model = { kind = "network", layers = "8C3 SOFTMAX10" }
"""


def digits(count: int = 300, names: Sequence[str] = tuple("0123456789")) -> Dataset:
    """The first ``count`` digits, 8x8, with ids from 1."""
    images, labels = load_digits(return_X_y=True)
    pixels = (images[:count] * 15.9375).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Dataset(pixels, labels[:count].astype(np.int64), np.arange(1, count + 1), tuple(names))


def noise(count: int, shape: tuple[int, int, int], classes: int, names: Sequence[str] | None = None) -> Dataset:
    """Random pixels of any shape, labels in turn, text ids."""
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    ids = np.array([f"image-{i:05d}" for i in range(count)])
    return Dataset(images, np.arange(count, dtype=np.int64) % classes, ids, tuple(names or map(str, range(classes))))


def predict(dataset: Dataset, wrong: Mapping[int, int]) -> Predictions:
    """Right with probability 0.9 everywhere, except that row ``r`` is read as ``wrong[r]``, each a little less sure."""
    classes = len(dataset.class_names)
    read = dataset.labels.copy()
    read[list(wrong)] = list(wrong.values())
    sure = np.full(len(dataset), 0.9)
    sure[list(wrong)] = np.linspace(0.89, 0.6, max(len(wrong), 1))[: len(wrong)]
    probabilities = np.repeat((1 - sure)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(len(dataset)), read] = sure
    return Predictions(dataset.ids, probabilities.astype(np.float32), dataset.labels)


def history(epochs: int, shift: float = 0.0, validation: bool = True) -> list[dict[str, Any]]:
    """Validation accuracy rises to the last epoch but one and then falls."""
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch**2 + shift,
            "train_accuracy": 1 - 0.3 / epoch,
            "validation_loss": 1.1 / epoch + shift if validation else None,
            "validation_accuracy": 0.9 + 0.01 * min(epoch, 2 * (epochs - 1) - epoch) - shift if validation else None,
            "validation_mistakes": [[4, 9, epochs - epoch + 1], [7, 1, 2]] if validation else [],
            "learning_rate": 0.001,
            "seconds": 1.5,
            "images_per_second": 1000.0,
        }
        for epoch in range(1, epochs + 1)
    ]


@dataclass
class RunMaker:
    """Writes run directories below ``folder``."""

    folder: Path

    def __call__(
        self,
        predictions: Mapping[str, Predictions],
        *,
        histories: Sequence[list[dict[str, Any]]] = (history(5), history(4, 0.01)),
        findings: Sequence[dict[str, Any]] = (),
        train: Mapping[str, Any] | None = None,
        leaked: bool = False,
    ) -> Run:
        run = Run.create(self.folder, parse_recipe(RECIPE))
        for member, rows in enumerate(histories):
            path = make_directory(run.member_path(member))
            write_text(path / "history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
            write_json(
                path / "member.json",
                {
                    "member": member,
                    "parameters": 1234,
                    "epochs": len(rows),
                    "best_epoch": len(rows) - 1,
                },
            )
            write_json(path / "timing.json", {"seconds": 7.5, "peak_rss_bytes": 312_000_000})
        make_directory(run.path / "predictions")
        for split, made in predictions.items():
            made.save(run.path / "predictions" / f"{split}.npz")
        write_json(
            run.path / "environment.json",
            {"tenfold": "0.1.0", "torch": "2.13.0", "cpu": {"model": "<i>fast</i>", "cores": 2}},
        )
        write_json(run.path / "data.json", {"train": train, "findings": list(findings)})
        write_json(run.path / "summary.json", {"seconds": {"read": 0.5, "train": 187.0}, "leaked": leaked})
        return run
