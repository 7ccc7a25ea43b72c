"""Principal components of images, from the covariance of their pixels.

Images have many rows and few columns, so that the D x D covariance is one matrix product and its
eigenvectors are found at once: the same components as a singular value decomposition of all rows
(Jolliffe, "Principal Component Analysis", 2002, chapter 3), in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        """(N,) root mean square difference between images and what ``count`` components keep of them, in grey levels."""
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
        raise ValueError(f"principal components need two images or more of at most {LARGEST} pixels, got {images.shape}")
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
