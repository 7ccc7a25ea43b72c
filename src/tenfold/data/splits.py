"""Stratified splits and folds that keep groups, such as exact duplicates, on one side.

All of them depend on the labels, the groups and the seed only, and return sorted row numbers. The
class of a group is the smallest label in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.cache import image_hashes
from tenfold.errors import UsageError

Rows = NDArray[np.int64]


def stratified_split(
    labels: NDArray[np.int64], share: float, seed: int, groups: NDArray[np.integer[Any]] | None = None
) -> tuple[Rows, Rows]:
    """Hold out ``share`` of every class.

    Each class gives ``share`` of its rows, rounded to the nearest, but never its last group: a class
    with a single row stays in training.

    Args:
        labels: int64 (N,).
        share: of the rows to hold out, between 0 and 1, exclusive.
        seed: of the draw.
        groups: (N,) rows with the same number stay together; None puts every row on its own.

    Returns:
        (training rows, held-out rows), sorted, together 0..N-1.

    Raises:
        UsageError: ``share`` is out of range.
    """
    if not 0 < share < 1:
        raise UsageError(f"found a share of {share:g} to hold out, expected more than 0 and less than 1")
    group_of, sizes, classes = _describe_groups(labels, groups)
    generator = np.random.Generator(np.random.PCG64(seed))
    held = np.zeros(len(sizes), dtype=bool)
    for label in np.unique(classes):
        candidates = generator.permutation(np.flatnonzero(classes == label))
        room = round(share * int(sizes[candidates].sum()))
        for group in candidates[:-1]:
            if sizes[group] <= room:
                held[group] = True
                room -= sizes[group]
    return np.flatnonzero(~held[group_of]), np.flatnonzero(held[group_of])


def shuffled_split(count: int, shares: Sequence[float], seed: int) -> list[Rows]:
    """Split ``count`` rows as scikit-learn's ``train_test_split`` does after ``numpy.random.seed(seed)``.

    Args:
        count: of the rows.
        shares: of the rows to hold out in each call; a later call splits what the one before left.
        seed: of numpy's global generator; only its last 32 bits count.

    Returns:
        the rows that are left, then those that each call held out; sorted.
    """
    draw = np.random.RandomState(seed % 2**32)
    left, held = np.arange(count, dtype=np.int64), []
    for share in shares:
        order = draw.permutation(len(left))
        out = math.ceil(share * len(left))
        held.append(np.sort(left[order[:out]]))
        left = left[order[out:]]
    return [np.sort(left), *held]


def stratified_folds(
    labels: NDArray[np.int64], k: int, seed: int, groups: NDArray[np.integer[Any]] | None = None
) -> list[Rows]:
    """Deal the rows into ``k`` folds, each class as evenly as its groups allow.

    Groups go, the largest first, to the fold with the fewest rows of their class, then the fewest rows
    in all. Without larger groups, the sizes of any two folds differ by at most one row, in all and in
    every class.

    Args:
        labels: int64 (N,).
        k: number of folds, at least 2.
        seed: of the deal.
        groups: (N,) rows with the same number stay together; None puts every row on its own.

    Returns:
        the k folds' rows, each sorted, together 0..N-1.

    Raises:
        UsageError: ``k`` is less than 2 or more than there are groups.
    """
    group_of, sizes, classes = _describe_groups(labels, groups)
    if not 2 <= k <= len(sizes):
        raise UsageError(f"found {k} folds, expected 2 to {len(sizes):,}: the number of rows that are not duplicates")
    generator = np.random.Generator(np.random.PCG64(seed))
    fold_of = np.empty(len(sizes), dtype=np.int64)
    rows_in = [0] * k
    for label in np.unique(classes):
        members = generator.permutation(np.flatnonzero(classes == label))
        of_class = [0] * k
        for group in members[np.argsort(-sizes[members], kind="stable")]:
            fold = min(range(k), key=lambda f: (of_class[f], rows_in[f]))
            fold_of[group] = fold
            of_class[fold] += int(sizes[group])
            rows_in[fold] += int(sizes[group])
    return [np.flatnonzero(fold_of[group_of] == fold) for fold in range(k)]


def duplicate_groups(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Which images are exact copies of each other.

    Args:
        images: uint8 (N, C, H, W).

    Returns:
        int64 (N,): equal numbers for equal images, numbered from 0 without gaps.
    """
    return np.unique(image_hashes(images), return_inverse=True)[1].astype(np.int64)


def _describe_groups(
    labels: NDArray[np.int64], groups: NDArray[np.integer[Any]] | None
) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """Of G groups: the group of each row (N,), the groups' sizes (G,) and classes (G,)."""
    rows = np.arange(len(labels)) if groups is None else groups
    _, group_of, sizes = np.unique(rows, return_inverse=True, return_counts=True)
    classes = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(classes, group_of, labels)
    return group_of, sizes, classes
