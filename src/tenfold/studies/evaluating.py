"""Evaluate a run or a bundle on labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tenfold.bundle.manifest import bundle_folder, model_bytes
from tenfold.bundle.pieces import read_input
from tenfold.bundle.predict import Bundle
from tenfold.bundle.verification import member_probabilities
from tenfold.data import ReadOptions, Role
from tenfold.data.checks import Finding, leakage
from tenfold.data.fetch import FetchedSource
from tenfold.data.load import load, named_sources
from tenfold.data.sources import SOURCES
from tenfold.errors import DataError, IntegrityError, Problem, TenfoldError
from tenfold.evaluation.calibration import TARGET, Confidence, learn_confidence
from tenfold.evaluation.evaluated import Evaluation
from tenfold.evaluation.robustness import Robustness
from tenfold.evaluation.robustness import robustness as measure
from tenfold.exploration.examine import ProgressLines
from tenfold.pipeline import MEMORY, Settings
from tenfold.pipeline.session import images_behind, load_again
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

DEFAULT = ReadOptions()
ROBUSTNESS_IMAGES = 2000
"""120 figures of so many images take about a minute."""


def evaluate(
    model: str | Path | Run | Bundle,
    data: str | Path | Dataset,
    *,
    train: str | Path | Dataset | None = None,
    role: Role = "test",
    out: str | Path | None = None,
    csv: str | Path | None = None,
    options: ReadOptions = DEFAULT,
    robustness: bool | Sequence[str] = False,
    robustness_images: int | None = ROBUSTNESS_IMAGES,
    threads: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Judge a model by labelled images.

    Args:
        model: a run, a bundle, the directory of either, or "builtin".
        data: a path, a data set's name, or a dataset; with labels.
        train: what the model was trained on, for the neighbours of its mistakes and the look for leaks. None
            is what the run behind the model recorded, where that is still there.
        role: which part of ``data``.
        out: a page that shows all of it; replaced if it is there.
        csv: a table with a line for each image; likewise.
        options: how to read ``data``.
        robustness: ask again with the images corrupted in every way, or in the ways named.
        robustness_images: of how many images, spread evenly over the data; None is all.
        threads: that compute; by default as many as there are usable cores.
        progress: say what is going on where it takes long.

    Returns:
        The figures, by name; ``as_dict()`` has all of them.

    Raises:
        UsageError: no such corruption.
        DataError: the data cannot be read, or have no labels or no images.
        IntegrityError: no such bundle, or the images are not of its kind.
        ResourceError: a package is missing, or a file cannot be written.

    Example:
        >>> import tenfold
        >>> tenfold.evaluate("runs/RUN", "mnist").score.accuracy  # doctest: +ELLIPSIS
        0...
    """
    bundle = (
        model if isinstance(model, Bundle) else Bundle.open(model.path if isinstance(model, Run) else model, threads)
    )
    run = None if isinstance(model, Bundle) else _run_behind(model)
    read = data if isinstance(data, Dataset) else read_input(data, bundle, options, role)
    _insist_on_labels(read, data)
    made = bundle.predict(read)
    learnt_from = _training_images(run, bundle, train)
    found = Evaluation(
        model=_name(model),
        source="data in memory" if isinstance(data, Dataset) else str(data),
        split=role,
        predictions=made,
        class_names=bundle.class_names,
        confidence=_confidence(run, bundle),
        validation=_validation(run),
        members=[] if isinstance(model, Bundle) else _members(model, bundle, read, threads),
        vote=bundle.manifest.vote,
        histories=[] if run is None else [trained.history(member) for trained, member in run.trained()],
        leak=_leak(bundle, read, learnt_from),
        robustness=_robustness(bundle, read, robustness, robustness_images, progress) if robustness else None,
    )
    if out is not None:
        from tenfold.report.model_pages import write_evaluation

        write_evaluation(found, Path(out), read.images, learnt_from)
    if csv is not None:
        from tenfold.bundle.submission import answers_csv
        from tenfold.files import write_text

        threshold = found.confidence.reject_threshold if found.confidence else None
        write_text(Path(csv), answers_csv(made, bundle.class_names, found.members, threshold))
    return found


def _robustness(
    bundle: Bundle, read: Dataset, wanted: bool | Sequence[str], limit: int | None, progress: bool
) -> Robustness:
    names = [] if isinstance(wanted, bool) else wanted
    return measure(bundle.predict_proba, read, names, limit=limit, progress=ProgressLines() if progress else None)


def _insist_on_labels(read: Dataset, data: str | Path | Dataset) -> None:
    where = "the dataset" if isinstance(data, Dataset) else data
    if not len(read):
        raise DataError(Problem(where, "no images", "one or more"))
    if read.labels is None:
        raise DataError(
            Problem(
                where, "images without labels", "labels to judge the answers by", hint="`tenfold predict` needs none"
            )
        )


def _name(model: str | Path | Run | Bundle) -> str:
    if isinstance(model, Bundle):
        return model.manifest.recipe
    path = model.path if isinstance(model, Run) else Path(model)
    return path.resolve().name if path.exists() else str(path)


def _run_behind(model: str | Path | Run) -> Run | None:
    """The run that a bundle belongs to, if it lies in one."""
    if isinstance(model, Run):
        return model
    folder = bundle_folder(model).absolute()
    return Run(folder.parent) if (folder.parent / "recipe.toml").is_file() and folder.name == "bundle" else None


def _training_images(run: Run | None, bundle: Bundle, train: str | Path | Dataset | None) -> Dataset | None:
    """The images that the model learnt from; None if they are not at hand."""
    if train is not None:
        given = train if isinstance(train, Dataset) else load(train, "train", ReadOptions(shape=bundle.image_shape))
        if given.image_shape != bundle.image_shape:
            raise IntegrityError(
                f"the training images are {given.image_shape}, but the model takes {bundle.image_shape} (C, H, W)"
            )
        return given
    if run is None:
        return None
    try:
        source = run.recipe.data.train
        if not source.startswith(MEMORY) and not _is_here(source):
            return None
        return images_behind(run, load_again(run, "train", source, Settings()), None).get("train")
    except (TenfoldError, KeyError, TypeError, OSError):
        return None  # gone or changed: the figures need no training images


def _is_here(source: str) -> bool:
    """Whether loading ``source`` downloads nothing."""
    named = SOURCES.get(source) if source in named_sources() else None
    return named is None or not issubclass(named, FetchedSource) or named.cached_in() is not None


def _leak(bundle: Bundle, read: Dataset, train: Dataset | None) -> Finding | None:
    if train is not None:
        return leakage(train, read)
    if read.fingerprint() == bundle.manifest.data_fingerprint:
        message = "these are the images that the model was trained on. The figures measure memory, not skill"
        return Finding("leakage", "leak", len(read), len(read), message)
    return None


def _confidence(run: Run | None, bundle: Bundle) -> Confidence | None:
    """What the bundle knows; of older ones, what the run's held-out rows teach."""
    known = bundle.manifest.calibration
    if known is not None:
        return Confidence(known.temperature, bundle.manifest.reject_threshold, TARGET, known.images)
    held = _validation(run)
    return None if held is None else learn_confidence(held)


def _validation(run: Run | None) -> Predictions | None:
    if run is None or not run.has_predictions("validation"):
        return None
    held = run.predictions("validation")
    return held if held.labels is not None and len(held) else None


def _members(
    model: str | Path | Run, bundle: Bundle, read: Dataset, threads: int | None
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    content = model_bytes(model.path if isinstance(model, Run) else model)
    found = member_probabilities(content, read.images, bundle.manifest.members, threads=threads)
    return [] if found is None else list(found)
