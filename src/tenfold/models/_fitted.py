"""Logits that say how sure a fitted model may be: scales that make unseen rows most likely."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.errors import UsageError
from tenfold.models.layers.deskew import Deskew
from tenfold.models.layers.gradients import Gradients


@dataclass(frozen=True)
class Work:
    """How a model is fitted.

    Attributes:
        seed: of every draw.
        threads: how many may compute at once; they do not change a bit of the result.
        report: called with (what is done, parts done, parts in all).
        check_stop: called between parts; it raises to stop.
    """

    seed: int = 0
    threads: int = 1
    report: Callable[[str, int, int], None] = lambda what, done, total: None
    check_stop: Callable[[], None] = lambda: None


class Fitted(nn.Sequential):
    """A network of fixed and of fitted layers: images (B, C, H, W) in 0..1 to logits (B, K).

    Being a network, it is stored, predicts, votes and is exported like any other. Before :meth:`learn`
    its weights are zeros, of shapes that the rows may change.
    """

    @abstractmethod
    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """Find the weights, on the CPU.

        Args:
            images: uint8 (N, C, H, W).
            labels: int64 (N,) in 0..K-1; a class may be missing.
            work: how.

        Raises:
            Stopped: ``work.check_stop`` said so.
        """

    def effort(self, rows: int) -> float:
        """Multiply-adds of learning from so many rows, about, for the expected time."""
        return 3e3 * rows**1.5

    def take_shapes(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Give the weights the shapes of ``weights``, by name, so that those can be loaded."""
        for name, parameter in self.named_parameters():
            if name in weights:
                parameter.data = torch.zeros_like(weights[name], dtype=parameter.dtype, device=parameter.device)


def fixed(values: torch.Tensor | NDArray[Any]) -> nn.Parameter:
    """A float32 weight that no gradient changes."""
    return nn.Parameter(torch.as_tensor(values, dtype=torch.float32), requires_grad=False)


def dense(weight: NDArray[Any], bias: NDArray[Any] | None = None) -> nn.Linear:
    """A dense layer with these weights (outputs, inputs) and, if there is one, this bias (outputs,)."""
    layer = nn.Linear(1, 1, bias=bias is not None)
    layer.out_features, layer.in_features = weight.shape
    layer.weight = fixed(weight)
    if bias is not None:
        layer.bias = fixed(bias)
    return layer


def apply(layers: Sequence[nn.Module], images: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
    """What ``layers`` make of uint8 images (N, C, H, W), or of float32 vectors, N > 0 of them: float32 (N, D)."""
    network = nn.Sequential(*layers)
    scale = 255 if images.dtype == np.uint8 else 1
    with torch.no_grad():
        starts = range(0, len(images), batch)
        inputs = (torch.from_numpy(np.array(images[start : start + batch])).float().div_(scale) for start in starts)
        return np.concatenate([network(part).numpy() for part in inputs])


def check_range(name: str, value: object, low: float, high: float) -> None:
    """Refuse a setting that is not a number from ``low`` to ``high``.

    Raises:
        UsageError: naming the setting, what was found and what is expected.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"model {name} = {value!r}; expected a number from {low:g} to {high:g}")


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
    """The symmetric (F, F) matrix that gives the differences within the classes variance 1 in every direction, or
    less.
    """
    within = sum(_covariance(x[labels == label]) for label in np.unique(labels)) / len(x)
    variances, directions = np.linalg.eigh(within)
    floor = max(SHRINKAGE * float(variances.mean()), float(np.finfo(np.float32).tiny))
    return (directions / np.sqrt(np.maximum(variances, 0) + floor)) @ directions.T


def _axes(covariance: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """The (D, F) eigenvectors of the largest eigenvalues; each one's largest entry is positive."""
    _, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :components].T
    return axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]


Floats = NDArray[np.float64]


def temperature(scores: Floats, labels: NDArray[np.int64]) -> float:
    """The factor by which ``scores`` (N, K) become the logits under which ``labels`` (N,) are most likely.

    Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599).
    """
    return _most_likely(lambda factor: factor * scores, labels, 1)[0]


def coupled(decisions: Floats, pairs: list[tuple[int, int]], classes: int, slope: float) -> Floats:
    """(N, K): for each class the sum of log sigmoid(slope d) over its machines d, each positive for the class.

    Args:
        decisions: float64 (N, P), positive for the first of each pair.
        pairs: the P pairs of classes.
        classes: K.
        slope: of the sigmoids.
    """
    sums = np.zeros((len(decisions), classes))
    for column, (first, second) in zip(decisions.T, pairs, strict=True):
        sums[:, first] -= np.logaddexp(0, -slope * column)
        sums[:, second] -= np.logaddexp(0, slope * column)
    return sums


def slope_and_scale(
    decisions: Floats, pairs: list[tuple[int, int]], classes: int, labels: NDArray[np.int64]
) -> tuple[float, float]:
    """The slope of :func:`coupled` and the factor of its result under which ``labels`` (N,) are most likely."""
    slope, scale = _most_likely(lambda slope, scale: scale * coupled(decisions, pairs, classes, slope), labels, 2)
    return slope, scale


def _most_likely(logits: Callable[..., Floats], labels: NDArray[np.int64], count: int) -> tuple[float, ...]:
    """The ``count`` positive arguments of ``logits`` that minimise the cross-entropy."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    rows = np.arange(len(labels))

    def loss(logarithms: Floats) -> float:
        return float(-log_softmax(logits(*np.exp(logarithms)), axis=1)[rows, labels].mean())

    found = minimize(
        loss, np.zeros(count), method="Nelder-Mead", bounds=[(-7, 7)] * count, options={"xatol": 1e-3, "fatol": 1e-7}
    )
    return tuple(map(float, np.exp(found.x)))
