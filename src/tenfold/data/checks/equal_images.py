"""Images that are equal in every pixel: repeated, with two labels, or in training and test set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.cache import image_hashes
from tenfold.data.checks import (
    MOST_IDS,
    Finding,
    Severity,
    Subject,
    is_constant,
    limited_ids,
    registered,
    row_id,
    share_of,
)
from tenfold.values.dataset import Dataset

LEAK_SHARE = 0.01
"""Above this share of known test rows a leak is certain; up to it, chance duplicates are possible."""
DUPLICATE_SHARE = 0.01
"""Above this share of repeated rows, the repetition is worth a warning."""


@registered("duplicates", 10)
def _duplicates(subject: Subject) -> Finding:
    return duplicates(subject.train, subject.hashes)


@registered("label-conflicts", 40, "labels")
def _label_conflicts(subject: Subject) -> Finding:
    return label_conflicts(subject.train, subject.hashes)


@registered("leakage", 60, "test")
def _leakage(subject: Subject) -> Finding:
    return leakage(subject.train, subject.tested, subject.hashes)


def duplicates(data: Dataset, hashes: NDArray[np.void] | None = None) -> Finding:
    """Rows that repeat an earlier row, pixel for pixel."""
    groups = _groups_of_equals(image_hashes(data.images) if hashes is None else hashes)
    count = sum(len(rows) - 1 for rows in groups)
    if not count:
        return Finding("duplicates", "note", 0, len(data), "no image occurs twice")
    severity: Severity = "warning" if count > DUPLICATE_SHARE * len(data) else "note"
    message = f"{share_of(count, len(data), 'images')} repeat another one; copies stay on one side of every split"
    return Finding("duplicates", severity, count, len(data), message, limited_ids(data, groups))


def label_conflicts(data: Dataset, hashes: NDArray[np.void] | None = None) -> Finding:
    """Equal images that carry different labels."""
    labels = data.truth
    equals = _groups_of_equals(image_hashes(data.images) if hashes is None else hashes)
    groups = [rows for rows in equals if len(np.unique(labels[rows])) > 1]
    count = sum(len(rows) for rows in groups)
    if not count:
        return Finding("label-conflicts", "note", 0, len(data), "no image has two labels")
    example = ", ".join(f"{data.ids[row]} = {data.class_names[labels[row]]!r}" for row in groups[0][:3])
    affected = share_of(count, len(data), "images")
    message = f"{affected} equal one with another label (ids {example}); correct the labels or drop the rows"
    return Finding("label-conflicts", "warning", count, len(data), message, limited_ids(data, groups))


def leakage(train: Dataset, test: Dataset, train_hashes: NDArray[np.void] | None = None) -> Finding:
    """Test images that are, pixel for pixel, in the training set. Blank images do not count."""
    total = len(test)
    if train.image_shape != test.image_shape:
        shapes = ["x".join(map(str, data.image_shape)) for data in (test, train)]
        message = f"test images are {shapes[0]}, training images {shapes[1]}: a model of one cannot read the other"
        return Finding("leakage", "error", total, total, message)
    train_hashes = image_hashes(train.images) if train_hashes is None else train_hashes
    unique, first = np.unique(train_hashes, return_index=True)
    test_hashes = image_hashes(test.images)
    known = np.flatnonzero(np.isin(test_hashes, unique) & ~is_constant(test.images))
    count = len(known)
    if not count:
        return Finding("leakage", "note", 0, total, "no test image is among the training images")
    twins = first[np.searchsorted(unique, test_hashes[known[:MOST_IDS]])]
    pairs = tuple((row_id(train, i), row_id(test, j)) for i, j in zip(twins, known, strict=False))
    share = share_of(count, total, "test rows")
    if count <= LEAK_SHARE * total:
        return Finding(
            "leakage",
            "warning",
            count,
            total,
            f"{share} are known from training; drop them from the training set",
            pairs,
        )
    what = (
        "the test set itself is in the training set"
        if count == total
        else "the training set holds part of the test set"
    )
    message = f"{share} are known from training: {what}. The score will measure memory, not skill; train on other data"
    return Finding("leakage", "leak", count, total, message, pairs)


def _groups_of_equals(hashes: NDArray[np.void]) -> list[NDArray[np.int64]]:
    """The rows of every hash that occurs more than once, in the order of their first rows."""
    _, group_of, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[group_of] > 1)
    if not len(rows):
        return []
    rows = rows[np.argsort(group_of[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group_of[rows])) + 1)
    return sorted(groups, key=lambda group: int(group[0]))
