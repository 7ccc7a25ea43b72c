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

Features = Literal["pixels", "gradients"]


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
    layers.append(nn.Flatten())
    with torch.no_grad():
        return layers, nn.Sequential(*layers)(torch.zeros(1, *image_shape)).shape[1]


def principal_components(x: NDArray[np.float32], components: int, scale: float = 1.0) -> nn.Linear:
    """The dense layer (F to D) from features (N, F) to their D first principal components, centred, times ``scale``.

    An eigenvector's sign is such that its largest entry is positive.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    axes = vectors[:, ::-1][:, :components].T
    axes = scale * axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    return dense(axes, -axes @ mean)
