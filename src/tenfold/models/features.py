"""From images to the vectors that kernels and distances compare: fixed layers, then principal components."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.errors import UsageError
from tenfold.models.fitted import dense
from tenfold.models.layers.deskew import Deskew
from tenfold.models.layers.gradients import Gradients

Features = Literal["pixels", "gradients", "fine-gradients"]
Metric = Literal["euclidean", "mahalanobis"]
SHRINKAGE = 0.1
"""Share of the mean variance that is added to every direction's, so that none counts without bound."""


def feature_layers(image_shape: tuple[int, int, int], features: str, deskew: bool) -> tuple[list[nn.Module], int]:
    """Layers from float32 images (B, C, H, W) to flat features (B, F), and F: set upright, then pixels or gradients.

    Raises:
        UsageError: unknown ``features``.
    """
    if features not in get_args(Features):
        raise UsageError(f"model features = {features!r}; expected one of: {', '.join(get_args(Features))}")
    channels, height, width = image_shape
    layers: list[nn.Module] = [Deskew(channels, height, width)] if deskew else []
    if features == "gradients":
        layers.append(Gradients(channels))
    elif features == "fine-gradients":
        layers.append(Gradients(channels, step=3, sigma=1.2))
    layers.append(nn.Flatten())
    with torch.no_grad():
        return layers, nn.Sequential(*layers)(torch.zeros(1, *image_shape)).shape[1]


def components_of(
    x: NDArray[np.float32], labels: NDArray[np.int64], components: int, metric: str, scale: float = 1.0
) -> nn.Linear:
    """The dense layer (F to D) from features (N, F) to their D principal components, in which distances are taken.

    Args:
        x: float32 (N, F).
        labels: int64 (N,).
        components: D.
        metric: ``euclidean``: the features as they are. ``mahalanobis``: measured in standard deviations within
            the classes, so that what varies among images of one digit counts little (Fisher 1936; the
            covariance is pooled over the classes and shrunk, after Friedman 1989, "Regularized discriminant analysis").
        scale: all components are multiplied by it.
    """
    if metric == "euclidean":
        return principal_components(x, components, scale)
    mean = x.mean(axis=0, dtype=np.float64)
    whitening = _whitening(x, labels)
    axes = _axes(whitening @ _covariance(x) @ whitening, components) @ whitening
    return dense(scale * axes, -scale * axes @ mean)


def check_metric(metric: str) -> None:
    """Refuse a metric that :func:`components_of` does not know.

    Raises:
        UsageError: naming those that it does.
    """
    if metric not in get_args(Metric):
        raise UsageError(f"model metric = {metric!r}; expected one of: {', '.join(get_args(Metric))}")


def principal_components(x: NDArray[np.float32], components: int, scale: float = 1.0) -> nn.Linear:
    """The dense layer (F to D) from features (N, F) to their D first principal components, centred, times ``scale``.

    An eigenvector's sign is such that its largest entry is positive.
    """
    axes = scale * _axes(_covariance(x), components)
    return dense(axes, -axes @ x.mean(axis=0, dtype=np.float64))


def _covariance(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums of squares and products about the mean, (F, F)."""
    centred = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return (centred.T @ centred).astype(np.float64)


def _whitening(x: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The symmetric (F, F) matrix that gives the differences within the classes variance 1 in every direction, or less."""
    within = sum(_covariance(x[labels == label]) for label in np.unique(labels)) / len(x)
    variances, directions = np.linalg.eigh(within)
    floor = max(SHRINKAGE * float(variances.mean()), float(np.finfo(np.float32).tiny))
    return (directions / np.sqrt(np.maximum(variances, 0) + floor)) @ directions.T


def _axes(covariance: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """The (D, F) eigenvectors of the largest eigenvalues; each one's largest entry is positive."""
    _, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :components].T
    return axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
