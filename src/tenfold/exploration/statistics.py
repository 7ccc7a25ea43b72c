"""Classes, labels, pixels and principal components of images.

Images have many rows and few columns, so that the D x D covariance is one matrix product and its
eigenvectors are found at once: the same components as a singular value decomposition of all rows
(Jolliffe, "Principal Component Analysis", 2002, chapter 3), in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks.outliers import class_distances
from tenfold.errors import missing_extra
from tenfold.values.dataset import Dataset


def neighbour_agreement(places: NDArray[Any], labels: NDArray[np.int64], neighbours: int = 10) -> float:
    """Share of the ``neighbours`` nearest rows on a plane that have their row's label, over all rows.

    Args:
        places: (N, 2), N >= 2.
        labels: (N,).
        neighbours: looked at around each row; at most N - 1.

    Raises:
        ResourceError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise missing_extra("scipy", "explore", "looking for neighbours on a map") from error

    neighbours = min(neighbours, len(places) - 1)
    _, found = cKDTree(places).query(places, k=neighbours + 1)
    others = found[:, 1:]  # each row finds itself first
    return float((labels[others] == labels[:, None]).mean())


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
    counts = {
        name: np.bincount(data.labels, minlength=classes) for name, data in labelled.items() if data.labels is not None
    }
    balance = {name: balance_p(count) for name, count in counts.items()}
    same = same_shares_p(np.stack(list(counts.values()))) if len(counts) > 1 else None
    return Labels(counts, balance, same)


def balance_p(counts: NDArray[np.int64]) -> float:
    """p-value of Pearson's chi-square test that all of the (K,) classes are equally likely."""
    from scipy.special import chdtrc

    expected = counts.sum() / len(counts)
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum())) if len(counts) > 1 else 1.0


def same_shares_p(counts: NDArray[np.int64]) -> float:
    """p-value of Pearson's chi-square test that the (S, K) counts of S splits come from the same shares."""
    from scipy.special import chdtrc

    counts = counts[:, counts.any(axis=0)]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return float(chdtrc(degrees, ((counts - expected) ** 2 / expected).sum())) if degrees else 1.0


@dataclass(frozen=True)
class ClassImages:
    """One class of ``count`` images.

    Attributes:
        label: the class.
        count: how many images it has; at least one.
        mean: float64 (C, H, W).
        median: float64 (C, H, W).
        variance: float64 (C, H, W), of the population.
        nearest: int64 rows of the dataset, nearest to the mean first.
        farthest: int64 rows of the dataset, farthest from the mean first.
    """

    label: int
    count: int
    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    variance: NDArray[np.float64]
    nearest: NDArray[np.int64]
    farthest: NDArray[np.int64]


def class_images(data: Dataset, extremes: int = 10) -> list[ClassImages]:
    """The classes of a labelled dataset that have images, each with ``extremes`` rows from both ends."""
    return [
        _one_class(data, int(label), np.flatnonzero(data.truth == label), extremes) for label in np.unique(data.truth)
    ]


def _one_class(data: Dataset, label: int, rows: NDArray[np.int64], extremes: int) -> ClassImages:
    images = data.images[rows]
    order = np.argsort(class_distances(images), kind="stable")
    return ClassImages(
        label=label,
        count=len(rows),
        mean=images.mean(axis=0, dtype=np.float64),
        median=np.median(images, axis=0),
        variance=_variance(images),
        nearest=rows[order[:extremes]],
        farthest=rows[order[::-1][:extremes]],
    )


def _variance(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(C, H, W), from whole numbers: exact, and without a float copy of all images."""
    wide = images.astype(np.uint32)
    total, squares = wide.sum(axis=0, dtype=np.uint64), np.einsum("nchw,nchw->chw", wide, wide, dtype=np.uint64)
    count = len(images)
    return squares.astype(np.float64) / count - (total.astype(np.float64) / count) ** 2


@dataclass(frozen=True)
class Pixels:
    """The pixels of one set.

    Attributes:
        mean: of all pixels, 0..255.
        deviation: standard deviation of all pixels.
        lowest: smallest value that occurs.
        highest: largest value that occurs.
        zeros: share of all pixels that are 0.
        never_used: bool (C, H, W), pixels that are 0 in every image.
        mean_image: float64 (C, H, W).
    """

    mean: float
    deviation: float
    lowest: int
    highest: int
    zeros: float
    never_used: NDArray[np.bool_]
    mean_image: NDArray[np.float64]


def pixels(images: NDArray[np.uint8]) -> Pixels:
    """Summarise uint8 (N, C, H, W), N >= 1. Exact: from the counts of the 256 values."""
    counts = np.bincount(images.reshape(-1), minlength=256)
    values = np.arange(256)
    mean = float(counts @ values / counts.sum())
    deviation = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
    present = np.flatnonzero(counts)
    return Pixels(
        mean=mean,
        deviation=deviation,
        lowest=int(present[0]),
        highest=int(present[-1]),
        zeros=float(counts[0] / counts.sum()),
        never_used=images.max(axis=0) == 0,
        mean_image=images.mean(axis=0, dtype=np.float64),
    )


def ink_per_class(data: Dataset) -> NDArray[np.float64]:
    """(K,) mean of all pixels of each class's images, 0..255; NaN for a class without images."""
    each = data.images.reshape(len(data), -1).mean(axis=1, dtype=np.float64)
    classes = len(data.class_names)
    counts = np.bincount(data.truth, minlength=classes)
    return np.divide(np.bincount(data.truth, each, classes), counts, out=np.full(classes, np.nan), where=counts > 0)


LARGEST = 3072
"""Pixels; the eigenvectors of a larger covariance take too long. 3 x 32 x 32 just fits."""
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Pca:
    """Principal components.

    Attributes:
        mean: float64 (D,), of the pixels.
        components: float64 (D, D), a row each, the one with the largest variance first; its entry of
            largest magnitude is positive.
        variances: float64 (D,), of the rows along each component.
        shape: (C, H, W) of the images, D = C * H * W.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def explained(self) -> NDArray[np.float64]:
        """(D,) share of the variance that the first 1, 2, ... D components explain together."""
        total = self.variances.sum()
        if not total:
            return np.ones(len(self.variances))
        explained: NDArray[np.float64] = np.cumsum(self.variances) / total
        return explained

    def components_for(self, share: float) -> int:
        """The smallest number of components that explain at least ``share`` of the variance, 0 < share <= 1."""
        return min(int(np.searchsorted(self.explained, share - 1e-12)) + 1, len(self.variances))

    def transform(self, images: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
        """uint8 (N, C, H, W) on the first ``count`` components, (N, count)."""
        basis = self.components[:count].T.astype(np.float32)
        rows = images.reshape(len(images), -1)
        places = np.empty((len(rows), basis.shape[1]), np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            places[block] = (rows[block].astype(np.float32) - self.mean.astype(np.float32)) @ basis
        return places

    def restore(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (N, C, H, W), not rounded, from their places (N, M) on the first M components."""
        rows = places @ self.components[: places.shape[1]].astype(np.float32) + self.mean.astype(np.float32)
        restored: NDArray[np.float32] = rows.reshape(len(places), *self.shape)
        return restored

    def residuals(self, images: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
        """(N,) root mean square difference between images and what ``count`` components keep of them, in grey
        levels.
        """
        residuals = np.empty(len(images), np.float32)
        for start in range(0, len(images), _ROWS_AT_ONCE):
            block = images[start : start + _ROWS_AT_ONCE]
            difference = (block - self.restore(self.transform(block, count))).reshape(len(block), -1)
            residuals[start : start + len(block)] = np.sqrt((difference**2).mean(axis=1))
        return residuals


def fit_pca(images: NDArray[np.uint8]) -> Pca:
    """The components of uint8 (N, C, H, W), N >= 2.

    Raises:
        ValueError: more than :data:`LARGEST` pixels an image, or fewer than two images.
    """
    rows = images.reshape(len(images), -1)
    count, pixels = rows.shape
    if count < 2 or pixels > LARGEST:
        raise ValueError(
            f"principal components need two images or more of at most {LARGEST} pixels, got {images.shape}"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((pixels, pixels))
    for start in range(0, count, _ROWS_AT_ONCE):
        # centred before the product: float32 then loses nothing that matters
        centred = rows[start : start + _ROWS_AT_ONCE].astype(np.float32) - mean.astype(np.float32)
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / (count - 1))
    components = vectors[:, ::-1].T
    signs = np.sign(np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1))
    return Pca(mean, np.ascontiguousarray(components * signs), np.maximum(variances[::-1], 0), images.shape[1:])
