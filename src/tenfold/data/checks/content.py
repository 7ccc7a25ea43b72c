"""The content of a single set: blank images, the range of its pixels, the sizes of its classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tenfold.data.checks import Finding, Severity, Subject, is_constant, limited_ids, registered, share_of
from tenfold.data.layout import range_fault
from tenfold.values.dataset import Dataset

IMBALANCE_RATIO = 10.0
"""Above this ratio of the largest to the smallest class, accuracy misleads."""


@registered("constant-images", 20)
def _constant_images(subject: Subject) -> Finding:
    return constant_images(subject.train)


@registered("pixel-range", 30)
def _pixel_range(subject: Subject) -> Finding:
    return pixel_range(subject.train)


@registered("class-balance", 50, "labels")
def _class_balance(subject: Subject) -> Finding:
    return class_balance(subject.train)


def constant_images(data: Dataset) -> Finding:
    """Images of a single grey level."""
    rows = np.flatnonzero(is_constant(data.images))
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
    counts = np.bincount(np.asarray(data.labels), minlength=len(data.class_names))
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
    return finding("note", 0, spread)


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


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
