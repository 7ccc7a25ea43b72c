"""Near duplicates as findings: inside a set, and between the training and the test set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import DUPLICATE_SHARE, LEAK_SHARE, Finding, Severity, limited_ids, row_id, share_of
from tenfold.data.near_duplicates import Pairs, near_duplicates
from tenfold.values.dataset import Dataset

FEWEST_PIXELS = 400
"""Smaller images hold too little to tell a copy from a look-alike."""
NEAR_LEAK_SHARE = 0.05
"""Above this share of test rows with a changed copy in the training set, chance is ruled out."""
_TOO_SMALL = f"not looked for: below {FEWEST_PIXELS} pixels, copies and look-alikes cannot be told apart"


def near_duplicate_rows(data: Dataset) -> Finding:
    """Images that are almost, but not in every pixel, another one of the set."""
    name = "near-duplicates"
    if _is_too_small(data):
        return Finding(name, "note", 0, len(data), _TOO_SMALL)
    pairs = _unequal(near_duplicates(data.images), data, data)
    count = len(np.unique(pairs.second))
    if not count:
        return Finding(name, "note", 0, len(data), "no image is a changed copy of another one")
    severity: Severity = "warning" if count > DUPLICATE_SHARE * len(data) else "note"
    message = f"{share_of(count, len(data), 'images')} look like changed copies of another one; look at them, and drop the copies"
    both = np.stack([pairs.first, pairs.second], axis=1)
    return Finding(name, severity, count, len(data), message, limited_ids(data, both), _details(pairs))


def near_leakage(train: Dataset, test: Dataset) -> Finding:
    """Test images that are almost, but not in every pixel, in the training set."""
    name, total = "near-leakage", len(test)
    if _is_too_small(test):
        return Finding(name, "note", 0, total, _TOO_SMALL)
    pairs = _unequal(near_duplicates(train.images, test.images), train, test)
    count = len(pairs)
    if not count:
        return Finding(name, "note", 0, total, "no test image is a changed copy of a training image")
    share = share_of(count, total, "test rows")
    severity: Severity = "leak" if count > NEAR_LEAK_SHARE * total else "warning" if count > LEAK_SHARE * total else "note"
    advice = "the score will measure memory; train on other data" if severity == "leak" else "by chance, or copies; look at them"
    ids = tuple((row_id(train, i), row_id(test, j)) for i, j in zip(pairs.first, pairs.second, strict=True))
    message = f"{share} look like changed copies of training images: {advice}"
    return Finding(name, severity, count, total, message, ids[: len(limited_ids(test, pairs.second[:, None]))], _details(pairs))


def _is_too_small(data: Dataset) -> bool:
    _, height, width = data.image_shape
    return height * width < FEWEST_PIXELS


def _unequal(pairs: Pairs, first: Dataset, second: Dataset) -> Pairs:
    """The pairs whose images differ in some pixel: equal ones are another check's."""
    equal = (first.images[pairs.first] == second.images[pairs.second]).all(axis=(1, 2, 3))
    kept: NDArray[np.int64] = np.flatnonzero(~equal)
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.correlation[kept])


def _details(pairs: Pairs) -> dict[str, list[float]]:
    return {"correlations": [round(float(value), 4) for value in pairs.correlation[:1000]]}
