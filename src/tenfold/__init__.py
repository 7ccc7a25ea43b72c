"""tenfold: from a table of handwritten digits to a recogniser that can be trusted."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenfold.api.compare import compare
    from tenfold.api.data import check_data, convert, fetch
    from tenfold.api.evaluate import evaluate
    from tenfold.api.explain import explain
    from tenfold.api.explore import explore
    from tenfold.api.export import export, page
    from tenfold.api.labels import review_labels
    from tenfold.api.logs import import_log
    from tenfold.api.predict import predict
    from tenfold.api.read import read_pictures
    from tenfold.api.recipes import augment, bench, load_recipe, recipes
    from tenfold.api.runs import doctor, reproduce, resume, runs, verify
    from tenfold.api.search import cross_validate, tune
    from tenfold.api.serve import serve
    from tenfold.api.study import study
    from tenfold.api.submit import check_submission, submit
    from tenfold.api.teach import ask, teach
    from tenfold.api.train import run, train
    from tenfold.bundle.predict import Bundle
    from tenfold.classifier import Classifier
    from tenfold.data import ReadOptions
    from tenfold.data.load import load
    from tenfold.reading.reader import Reader, read
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
    "ask",
    "augment",
    "bench",
    "check_data",
    "check_submission",
    "compare",
    "convert",
    "cross_validate",
    "doctor",
    "evaluate",
    "explain",
    "explore",
    "export",
    "fetch",
    "import_log",
    "load",
    "load_recipe",
    "page",
    "predict",
    "read",
    "read_pictures",
    "recipes",
    "reproduce",
    "resume",
    "review_labels",
    "run",
    "runs",
    "serve",
    "study",
    "submit",
    "teach",
    "train",
    "tune",
    "verify",
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
    "ask": "tenfold.api.teach",
    "augment": "tenfold.api.recipes",
    "bench": "tenfold.api.recipes",
    "check_data": "tenfold.api.data",
    "check_submission": "tenfold.api.submit",
    "compare": "tenfold.api.compare",
    "convert": "tenfold.api.data",
    "cross_validate": "tenfold.api.search",
    "doctor": "tenfold.api.runs",
    "evaluate": "tenfold.api.evaluate",
    "explain": "tenfold.api.explain",
    "explore": "tenfold.api.explore",
    "export": "tenfold.api.export",
    "fetch": "tenfold.api.data",
    "import_log": "tenfold.api.logs",
    "load": "tenfold.data.load",
    "load_recipe": "tenfold.api.recipes",
    "page": "tenfold.api.export",
    "predict": "tenfold.api.predict",
    "read": "tenfold.reading.reader",
    "read_pictures": "tenfold.api.read",
    "recipes": "tenfold.api.recipes",
    "reproduce": "tenfold.api.runs",
    "resume": "tenfold.api.runs",
    "review_labels": "tenfold.api.labels",
    "run": "tenfold.api.train",
    "runs": "tenfold.api.runs",
    "serve": "tenfold.api.serve",
    "study": "tenfold.api.study",
    "submit": "tenfold.api.submit",
    "teach": "tenfold.api.teach",
    "train": "tenfold.api.train",
    "tune": "tenfold.api.search",
    "verify": "tenfold.api.runs",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import tenfold`` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tenfold' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
