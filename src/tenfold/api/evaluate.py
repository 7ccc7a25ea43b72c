"""Evaluate a run or a bundle on labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import Count, Model, Option, Page, Source, insist_on_free, opened, place_of
from tenfold.data import ReadOptions, Role
from tenfold.errors import DataError, IntegrityError, Problem, TenfoldError

if TYPE_CHECKING:
    import numpy as np

    from tenfold.bundle.predict import Bundle
    from tenfold.data.checks import Finding
    from tenfold.evaluation.calibration import Confidence
    from tenfold.evaluation.evaluated import Evaluation
    from tenfold.evaluation.robustness import Robustness
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

DEFAULT = ReadOptions()
ROBUSTNESS_IMAGES = 2000
"""120 figures of so many images take about a minute."""


def evaluate(
    model: Model,
    data: Annotated[Source, Option(metavar="DATA")],
    *,
    train: Source | None = None,
    role: Role = "test",
    out: Page | None = None,
    csv: Annotated[str | Path | None, Option(metavar="FILE.csv")] = None,
    replace: bool = True,
    options: ReadOptions = DEFAULT,
    robustness: bool | Sequence[str] = False,
    robustness_images: Annotated[int, Option(metavar="N", low=0)] = ROBUSTNESS_IMAGES,
    threads: Count | None = None,
    progress: bool = True,
) -> Evaluation:
    """Judge a model by labelled images: accuracy, calibration, confusions, every mistake, as one page.

    Args:
        model: a run, a bundle, builtin, or the name of a released one.
        data: labelled images: a path, or a data set's name.
        train: what the model learnt from, to show beside its mistakes and to look for leaks; default: as the run
            says, where that is still there.
        role: which part of the source: train or test.
        out: the page to write.
        csv: write a line for each image, too.
        replace: replace files that exist.
        options: how to read ``data``.
        robustness: corrupt the images in 24 ways and 5 severities, and ask again. In Python also the names of ways.
        robustness_images: how many images to corrupt, spread evenly over the data; 0 is all.
        threads: threads to compute with; default: one a core.
        progress: say what is going on where it takes long.

    Returns:
        The figures, by name; ``as_dict()`` has all of them.

    Raises:
        UsageError: no such corruption, or a file is in the way.
        DataError: the data cannot be read, or have no labels or no images.
        IntegrityError: no such bundle, or the images are not of its kind.
        ResourceError: a package is missing, or a file cannot be written.

    Example:
        >>> import tenfold
        >>> tenfold.evaluate("runs/RUN", "mnist").score.accuracy  # doctest: +ELLIPSIS
        0...
    """
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.evaluation.evaluated import Evaluation

    insist_on_free(replace, out)
    insist_on_free(replace, csv, option="--csv")
    bundle = opened(model, threads)
    run = None if isinstance(model, Bundle) else run_behind(model)
    read = read_input(data, bundle, options, role)
    _insist_on_labels(read, data)
    made = bundle.predict(read)
    learnt_from = training_images(run, bundle, train)
    found = Evaluation(
        model=_name(model),
        source=str(data) if isinstance(data, str | Path) else "data in memory",
        split=role,
        predictions=made,
        class_names=bundle.class_names,
        confidence=_confidence(run, bundle),
        validation=_validation(run),
        members=[] if isinstance(model, Bundle) else _members(model, bundle, read, threads),
        vote=bundle.manifest.vote,
        histories=[] if run is None else [trained.history(member) for trained, member in run.trained()],
        leak=_leak(bundle, read, learnt_from),
        robustness=_robustness(bundle, read, robustness, robustness_images or None, progress) if robustness else None,
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
    from tenfold.evaluation.robustness import robustness as measure
    from tenfold.exploration.examine import ProgressLines

    names = [] if isinstance(wanted, bool) else wanted
    return measure(bundle.predict_proba, read, names, limit=limit, progress=ProgressLines() if progress else None)


def _insist_on_labels(read: Dataset, data: Source) -> None:
    where = data if isinstance(data, str | Path) else "the dataset"
    if not len(read):
        raise DataError(Problem(where, "no images", "one or more"))
    if read.labels is None:
        raise DataError(
            Problem(
                where, "images without labels", "labels to judge the answers by", hint="`tenfold predict` needs none"
            )
        )


def _name(model: str | Path | Run | Bundle) -> str:
    from tenfold.bundle.predict import Bundle

    if isinstance(model, Bundle):
        return model.manifest.recipe
    path = place_of(model)
    return path.resolve().name if path.exists() else str(path)


def run_behind(model: str | Path | Run) -> Run | None:
    """The run that a bundle belongs to, if it lies in one."""
    from tenfold.bundle.manifest import bundle_folder
    from tenfold.values.run import Run

    if isinstance(model, Run):
        return model
    folder = bundle_folder(place_of(model)).absolute()
    return Run(folder.parent) if (folder.parent / "recipe.toml").is_file() and folder.name == "bundle" else None


def training_images(run: Run | None, bundle: Bundle, train: Source | None) -> Dataset | None:
    """The images that the model learnt from; None if they are not at hand."""
    from tenfold.api.shared import read_source
    from tenfold.data.joined import is_here
    from tenfold.pipeline.datasets import MEMORY, images_behind, load_again

    if train is not None:
        given = read_source(train, "train", ReadOptions(shape=bundle.image_shape))
        if given.image_shape != bundle.image_shape:
            raise IntegrityError(
                f"the training images are {given.image_shape}, but the model takes {bundle.image_shape} (C, H, W)"
            )
        return given
    if run is None:
        return None
    try:
        source = run.recipe.data.train
        if not source.startswith(MEMORY) and not is_here(source):
            return None
        return images_behind(run, load_again(run, "train", ReadOptions()), None).get("train")
    except (TenfoldError, KeyError, TypeError, OSError):
        return None  # gone or changed: the figures need no training images


def _leak(bundle: Bundle, read: Dataset, train: Dataset | None) -> Finding | None:
    from tenfold.data.checks import Finding
    from tenfold.data.checks.equal_images import leakage

    if train is not None:
        return leakage(train, read)
    if read.fingerprint() == bundle.manifest.data_fingerprint:
        message = "these are the images that the model was trained on. The figures measure memory, not skill"
        return Finding("leakage", "leak", len(read), len(read), message)
    return None


def _confidence(run: Run | None, bundle: Bundle) -> Confidence | None:
    """What the bundle knows; of older ones, what the run's held-out rows teach."""
    from tenfold.evaluation.calibration import TARGET, Confidence, learn_confidence

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
    from tenfold.bundle.manifest import model_bytes
    from tenfold.bundle.verification import member_probabilities

    content = model_bytes(place_of(model))
    found = member_probabilities(content, read.images, bundle.manifest.members, threads=threads)
    return [] if found is None else list(found)
