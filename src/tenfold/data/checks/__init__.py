"""What should be known about a data set before anything is trained on it.

Every check is a function of one or two datasets and returns one :class:`Finding`, also when all is
well. Nothing is printed and nothing is changed. ``docs/checks.md`` lists them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tenfold.data.cache import image_hashes
from tenfold.data.layout import range_fault
from tenfold.values.dataset import Dataset

Severity = Literal["note", "warning", "leak", "error"]

LEAK_SHARE = 0.01
"""Above this share of known test rows a leak is certain; up to it, chance duplicates are possible."""
DUPLICATE_SHARE = 0.01
"""Above this share of repeated rows, the repetition is worth a warning."""
IMBALANCE_RATIO = 10.0
"""Above this ratio of the largest to the smallest class, accuracy misleads."""
MOST_IDS = 1000
"""A finding lists at most this many groups of ids; its count is always complete."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: of the check.
        severity: "note" is for information; "warning" asks for a look; "leak" makes test figures
            worthless; "error" makes training impossible.
        count: affected rows (or classes), of ``total``.
        total: rows (or classes) looked at.
        message: what was found and what to do.
        ids: the rows behind it, one tuple per row, pair or group; at most :data:`MOST_IDS`.
        details: further figures, by name.
    """

    name: str
    severity: Severity
    count: int
    total: int
    message: str
    ids: tuple[tuple[int | str, ...], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "name": self.name,
            "severity": self.severity,
            "count": self.count,
            "total": self.total,
            "message": self.message,
            "ids": [list(group) for group in self.ids],
            "details": dict(self.details),
        }


def check(train: Dataset, test: Dataset | None = None) -> list[Finding]:
    """Run every check.

    Args:
        train: the rows to learn from; without labels, the checks about labels are left out.
        test: the rows to predict; enables the check for leakage.

    Returns:
        one finding per check.
    """
    hashes = image_hashes(train.images)
    findings = [duplicates(train, hashes), constant_images(train), pixel_range(train)]
    if train.labels is not None:
        findings += [label_conflicts(train, hashes), class_balance(train)]
    if test is not None:
        findings.append(leakage(train, test, hashes))
    return findings


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
    labels = _labels(data)
    equals = _groups_of_equals(image_hashes(data.images) if hashes is None else hashes)
    groups = [rows for rows in equals if len(np.unique(labels[rows])) > 1]
    count = sum(len(rows) for rows in groups)
    if not count:
        return Finding("label-conflicts", "note", 0, len(data), "no image has two labels")
    example = ", ".join(f"{data.ids[row]} = {data.class_names[labels[row]]!r}" for row in groups[0][:3])
    affected = share_of(count, len(data), "images")
    message = f"{affected} equal one with another label (ids {example}); correct the labels or drop the rows"
    return Finding("label-conflicts", "warning", count, len(data), message, limited_ids(data, groups))


def constant_images(data: Dataset) -> Finding:
    """Images of a single grey level."""
    rows = np.flatnonzero(_is_constant(data.images))
    if not len(rows):
        return Finding("constant-images", "note", 0, len(data), "no image is blank")
    message = f"{share_of(len(rows), len(data), 'images')} have one grey level everywhere and show nothing; drop them"
    return Finding("constant-images", "warning", len(rows), len(data), message, limited_ids(data, rows[:, None]))


def pixel_range(data: Dataset) -> Finding:
    """Pixels on another scale than 0..255, such as 0..1 or 0..16."""
    fault = range_fault(data.images)
    if fault is None:
        return Finding("pixel-range", "note", 0, len(data), "the pixels use the range 0..255")
    return Finding("pixel-range", "warning", len(data), len(data), f"{fault}; else a model sees almost blank images")


def class_balance(data: Dataset) -> Finding:
    """Rows per class, against equal numbers by Pearson's chi-square test."""
    counts = np.bincount(_labels(data), minlength=len(data.class_names))
    present = counts[counts > 0]
    k = len(counts)
    expected = len(data) / k
    p_value = chi_square_p(float(((counts - expected) ** 2 / expected).sum()), k - 1) if k > 1 and len(data) else 1.0
    details = {"counts": dict(zip(data.class_names, counts.tolist(), strict=True)), "p_value": p_value}

    def finding(severity: Severity, count: int, message: str) -> Finding:
        return Finding("class-balance", severity, count, k, message, details=details)

    if len(present) < 2:
        return finding(
            "error", k - len(present), f"{len(present)} of {k} classes have images; training needs at least two"
        )
    missing = [name for name, count in zip(data.class_names, counts, strict=True) if count == 0]
    if missing:
        return finding(
            "warning", len(missing), f"no images of class {_listed(missing)}: it can never be predicted; add some"
        )
    spread = f"{counts.min():,} to {counts.max():,} images a class"
    single = [name for name, count in zip(data.class_names, counts, strict=True) if count == 1]
    if single:
        return finding(
            "warning",
            len(single),
            f"{spread}; a single image of class {_listed(single)} cannot be held out for validation",
        )
    if counts.max() > IMBALANCE_RATIO * counts.min():
        return finding("warning", 0, f"{spread}: accuracy hides the small classes; look at each class's recall")
    return finding("note", 0, f"{spread} (equal shares: chi-square p = {p_value:.2g})")


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
    known = np.flatnonzero(np.isin(test_hashes, unique) & ~_is_constant(test.images))
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


def chi_square_p(statistic: float, degrees: int) -> float:
    """The chance that a chi-square variable of ``degrees`` degrees of freedom exceeds ``statistic``.

    By the finite series for whole degrees of freedom (Abramowitz and Stegun 26.4.4 and 26.4.5).
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = degrees % 2
    exponents = [i + odd / 2 for i in range(degrees // 2)]
    series = sum(math.exp(e * math.log(half) - half - math.lgamma(e + 1)) for e in exponents)
    return min(1.0, series + (math.erfc(math.sqrt(half)) if odd else 0.0))


def _labels(data: Dataset) -> NDArray[np.int64]:
    if data.labels is None:
        raise ValueError("this check needs labels")
    return data.labels


def _is_constant(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    pixels = images.reshape(len(images), -1)
    result: NDArray[np.bool_] = (pixels == pixels[:, :1]).all(axis=1)
    return result


def _groups_of_equals(hashes: NDArray[np.void]) -> list[NDArray[np.int64]]:
    """The rows of every hash that occurs more than once, in the order of their first rows."""
    _, group_of, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[group_of] > 1)
    if not len(rows):
        return []
    rows = rows[np.argsort(group_of[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group_of[rows])) + 1)
    return sorted(groups, key=lambda group: int(group[0]))


def limited_ids(data: Dataset, groups: Iterable[NDArray[np.int64]]) -> tuple[tuple[int | str, ...], ...]:
    """The ids of groups of rows, of at most :data:`MOST_IDS` groups."""
    return tuple(tuple(row_id(data, row) for row in group) for group, _ in zip(groups, range(MOST_IDS), strict=False))


def row_id(data: Dataset, row: int | np.integer[Any]) -> int | str:
    """The id of a row as a plain value."""
    value: int | str = data.ids[row].item()
    return value


def share_of(count: int, total: int, noun: str) -> str:
    """``12 of 1,000 images (1.20%)``."""
    return f"{count:,} of {total:,} {noun} ({count / total:.2%})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
