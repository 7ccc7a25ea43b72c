"""Whether the run behind a bundle has trained on the images that it is about to predict."""

from __future__ import annotations

from pathlib import Path

from tenfold.bundle.files import bundle_folder
from tenfold.data.checks import Finding, leakage
from tenfold.data.fetch import FetchedSource
from tenfold.data.load import load, named_sources
from tenfold.data.sources import SOURCES
from tenfold.errors import TenfoldError
from tenfold.values.dataset import Dataset
from tenfold.values.run import Run


def trained_on(path: Path, test: Dataset) -> Finding | None:
    """What :func:`~tenfold.data.checks.leakage` finds between the training set of a run and ``test``.

    Args:
        path: the run, or the bundle inside it.
        test: the images to predict.

    Returns:
        None if nobody can tell: the bundle stands alone, or its training set is gone or has changed.
    """
    try:
        recorded = Run(bundle_folder(path).absolute().parent).data["train"]
        if not _is_here(recorded["source"]):
            return None
        train = load(recorded["source"], "train")
        return leakage(train, test) if train.fingerprint() == recorded["fingerprint"] else None
    except (TenfoldError, KeyError, TypeError):
        return None


def _is_here(source: str) -> bool:
    """Whether loading ``source`` downloads nothing: a look for leaks is no reason to."""
    named = SOURCES.get(source) if source in named_sources() else None
    return named is None or not issubclass(named, FetchedSource) or named.cached_in() is not None
