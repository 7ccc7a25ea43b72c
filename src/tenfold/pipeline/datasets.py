"""The datasets of a run: loaded, checked against each other, described, loaded again, cut into rows of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.cache import open_stored, stored_path
from tenfold.data.checks import Finding
from tenfold.data.layout import DIGITS
from tenfold.data.load import load
from tenfold.errors import DataError, IntegrityError, Problem
from tenfold.values.dataset import Dataset, Origin
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

if TYPE_CHECKING:
    from tenfold.pipeline.session import Listener

MEMORY = "memory:"
"""Begins the name of a source that was given as a dataset: no path leads back to it."""


def load_test(recipe: Recipe, options: ReadOptions, class_names: Sequence[str]) -> Dataset | None:
    """The test set that the recipe names, if it names one; its labels are of the training set's classes."""
    return None if recipe.data.test is None else load(recipe.data.test, "test", _knowing(options, class_names))


def _knowing(options: ReadOptions, class_names: Sequence[str]) -> ReadOptions:
    """Options that read labels as the classes of the training set, where these are not the digits."""
    if options.class_names is not None or tuple(class_names) == DIGITS:
        return options
    return replace(options, class_names=tuple(class_names))


def load_again(run: Run, role: Role, options: ReadOptions) -> Dataset:
    """The dataset that the run began with, read as it was then unless ``options`` say how.

    Raises:
        IntegrityError: the source has changed, or its copy is gone, or the record is damaged.
    """
    recorded = run.data[role]["fingerprint"]
    source = str(run.recipe.data.train if role == "train" else run.recipe.data.test)
    if source.startswith(MEMORY):
        try:
            kept, said = open_stored(stored_path(recorded)), run.data[role]
            origin = tuple(Origin(file["path"], file["sha256"]) for file in said.get("files", ()))
            return replace(kept, origin=origin, notes=tuple(said.get("notes", ())))
        except IntegrityError as error:
            message = (
                f"the {role} set of {run.path} came from memory, and its copy in the cache is gone; start the run again"
            )
            raise IntegrityError(message) from error
    names = (run.data.get("train") or {}).get("class_names")
    options = options.or_recorded(run.data.get("options"))
    data = load(source, role, _knowing(options, names) if role == "test" and names else options)
    if data.fingerprint() != recorded:
        raise IntegrityError(
            f"{source} has changed since {run.path} began: found {data.fingerprint()[:16]}, the run has {recorded[:16]}"
        )
    return data


def check_same_kind(train: Dataset, test: Dataset) -> None:
    """Training and test images must have one shape and, where labels are known, the same classes.

    Raises:
        IntegrityError: they don't.
    """
    if train.image_shape != test.image_shape:
        raise IntegrityError(
            f"training images are {train.image_shape}, test images {test.image_shape} (C, H, W); they must be equal"
        )
    if test.labels is not None and train.class_names != test.class_names:
        raise IntegrityError(
            f"the classes differ: train has {list(train.class_names)}, test has {list(test.class_names)}"
        )


TURNED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "transposed, as EMNIST's files are": lambda images: images.transpose(0, 1, 3, 2),
    "mirrored": lambda images: images[..., ::-1],
    "upside down": lambda images: images[..., ::-1, :],
    "turned by 180 degrees": lambda images: images[..., ::-1, ::-1],
    "inverted": lambda images: 255 - images,
}
FEWEST, LOOKED_AT, READ_WELL, FAR = 50, 300, 0.8, 0.2
"""Fewest images, how many are read, what share is good, and by how much it has to be better than as they are."""


def orientation(data: Dataset) -> Finding | None:
    """Whether the built-in recogniser reads labelled digits as they are; a warning if it reads them well another way.

    Returns:
        None for what are no digits of its size, and for digits that it reads in no way.
    """
    from tenfold.bundle.predict import Bundle

    if data.labels is None or data.class_names != DIGITS or data.image_shape != (1, 28, 28) or len(data) < FEWEST:
        return None
    some = data.take(np.linspace(0, len(data) - 1, min(LOOKED_AT, len(data))).astype(np.int64))
    bundle = Bundle.open("builtin", 1)

    def share(images: NDArray[np.uint8]) -> float:
        read = bundle.predict_proba(np.ascontiguousarray(images))
        return float((read.argmax(axis=1) == some.truth).mean())

    as_they_are, total = share(some.images), len(some)
    if as_they_are >= READ_WELL:
        return Finding("orientation", "note", 0, total, "the digits can be read as they are")
    shares = {how: share(turn(some.images)) for how, turn in TURNED.items()}
    how = max(shares, key=lambda one: shares[one])
    if shares[how] < max(READ_WELL, as_they_are + FAR):
        return None
    message = (
        f"these digits are {how}: of {total:,} the built-in recogniser reads {as_they_are:.0%} as they are and"
        f" {shares[how]:.0%} put right; a model of these will misread others. Put the images right first"
    )
    return Finding("orientation", "warning", total, total, message)


def check_spotless(findings: Sequence[Finding], source: str) -> None:
    """Refuse data that a check warns of, leaks and label conflicts among them.

    Raises:
        DataError: a line for each warning.
    """
    worth_a_look = [finding for finding in findings if finding.severity != "note"]
    expected = "nothing that the checks warn of, as --strict asks"
    if worth_a_look:
        raise DataError(*(Problem(source, f"{finding.name}: {finding.message}", expected) for finding in worth_a_look))


def describe_source(data: Dataset, source: str) -> dict[str, Any]:
    """What ``data.json`` records of a dataset."""
    return {
        "source": source,
        "files": [{"path": origin.path, "sha256": origin.sha256} for origin in data.origin],
        "fingerprint": data.fingerprint(),
        "images": len(data),
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "labelled": data.labels is not None,
        "notes": list(data.notes),
    }


def say_data(listener: Listener, train: Dataset, test: Dataset | None) -> None:
    """Tell the listener what was loaded."""
    for name, data in (("train", train), ("test", test)):
        if data is not None:
            c, h, w = data.image_shape
            known = "labelled" if data.labels is not None else "unlabelled"
            listener.say(f"{name}: {len(data):,} {known} images of {c}x{h}x{w}, {len(data.class_names)} classes")
            for note in data.notes:
                listener.say(f"  note: {note}")


def images_behind(run: Run, train: Dataset, test: Dataset | None) -> dict[str, Dataset]:
    """The images behind the predictions "validation", "holdout", "estimate" and "test", row for row; as "train" those
    learnt from, but for the estimate's.
    """
    judged = run.predictions("estimate").ids if run.has_predictions("estimate") else train.ids[:0]
    rows = np.flatnonzero(np.isin(train.ids, judged))
    with np.load(run.path / "split.npz", allow_pickle=False) as split:
        learnt = np.setdiff1d(split["train"], rows)
        parts = {"validation": train.take(split["held"]), "test": test, "train": train.take(learnt)}
        parts["estimate"] = train.take(rows)
        if "holdout" in split:
            parts["holdout"] = train.take(split["holdout"])
    return {name: data for name, data in parts.items() if data is not None and len(data)}
