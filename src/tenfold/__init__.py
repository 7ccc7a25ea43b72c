"""tenfold: from a table of handwritten digits to a recogniser that can be trusted."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenfold.api import cross_validate, load_recipe, reproduce, resume, run, train
    from tenfold.bundle.predict import Bundle
    from tenfold.classifier import Classifier
    from tenfold.data import ReadOptions
    from tenfold.data.load import load
    from tenfold.reading.reader import Reader, read
    from tenfold.studies.comparing import compare
    from tenfold.studies.evaluating import evaluate
    from tenfold.studies.explaining import explain
    from tenfold.studies.exploring import explore
    from tenfold.studies.labels import review_labels
    from tenfold.studies.logs import import_log
    from tenfold.studies.study import study
    from tenfold.studies.tuning import tune
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.recipe import Recipe
    from tenfold.values.run import Run

__version__ = "0.1.0"

# Libraries that report their use to their makers, ONNX Runtime from 1.29 on among them: nothing is sent
# unless the user says otherwise. They look when they are loaded, so this has to come before.
for _switch, _off in {
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_switch, _off)

__all__ = [
    "Bundle",
    "Classifier",
    "Dataset",
    "Predictions",
    "ReadOptions",
    "Reader",
    "Recipe",
    "Run",
    "__version__",
    "compare",
    "cross_validate",
    "evaluate",
    "explain",
    "explore",
    "import_log",
    "load",
    "load_recipe",
    "read",
    "reproduce",
    "resume",
    "review_labels",
    "run",
    "study",
    "train",
    "tune",
]

_HOMES = {
    "Bundle": "tenfold.bundle.predict",
    "Classifier": "tenfold.classifier",
    "Dataset": "tenfold.values.dataset",
    "Predictions": "tenfold.values.predictions",
    "ReadOptions": "tenfold.data",
    "Reader": "tenfold.reading.reader",
    "Recipe": "tenfold.values.recipe",
    "Run": "tenfold.values.run",
    "compare": "tenfold.studies.comparing",
    "cross_validate": "tenfold.api",
    "evaluate": "tenfold.studies.evaluating",
    "explain": "tenfold.studies.explaining",
    "explore": "tenfold.studies.exploring",
    "import_log": "tenfold.studies.logs",
    "load": "tenfold.data.load",
    "load_recipe": "tenfold.api",
    "read": "tenfold.reading.reader",
    "reproduce": "tenfold.api",
    "resume": "tenfold.api",
    "review_labels": "tenfold.studies.labels",
    "run": "tenfold.api",
    "study": "tenfold.studies.study",
    "train": "tenfold.api",
    "tune": "tenfold.studies.tuning",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import tenfold`` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tenfold' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
