"""How many images a class has, in each split, and whether the splits agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import chi_square_p
from tenfold.values.dataset import Dataset


@dataclass(frozen=True)
class Labels:
    """Labels of one or several splits.

    Attributes:
        counts: int64 (K,) of each labelled split, by name.
        balance_p: of each split, Pearson's chi-square test of equal shares: the chance of counts at least as uneven.
        same_shares_p: Pearson's test of the splits having the same shares; None with fewer than two labelled splits.
    """

    counts: Mapping[str, NDArray[np.int64]]
    balance_p: Mapping[str, float]
    same_shares_p: float | None


def labels(splits: Mapping[str, Dataset]) -> Labels | None:
    """Count the labels of every split that has them; None if none has."""
    labelled = {name: data for name, data in splits.items() if data.labels is not None and len(data)}
    if not labelled:
        return None
    classes = max(len(data.class_names) for data in labelled.values())
    counts = {name: np.bincount(data.labels, minlength=classes) for name, data in labelled.items() if data.labels is not None}
    balance = {name: balance_p(count) for name, count in counts.items()}
    same = same_shares_p(np.stack(list(counts.values()))) if len(counts) > 1 else None
    return Labels(counts, balance, same)


def balance_p(counts: NDArray[np.int64]) -> float:
    """p-value of Pearson's chi-square test that all of the (K,) classes are equally likely."""
    expected = counts.sum() / len(counts)
    return chi_square_p(float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1) if len(counts) > 1 else 1.0


def same_shares_p(counts: NDArray[np.int64]) -> float:
    """p-value of Pearson's chi-square test that the (S, K) counts of S splits come from the same shares."""
    counts = counts[:, counts.any(axis=0)]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return chi_square_p(float(((counts - expected) ** 2 / expected).sum()), degrees) if degrees else 1.0
