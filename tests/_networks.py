"""Small networks with random weights that behave like trained ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def shaken(network: nn.Sequential, seed: int = 0) -> nn.Sequential:
    """The network as if trained: weights with spread-out logits, batch norms with statistics, some scales negative."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if module.affine:
                nn.init.uniform_(module.weight, -0.5, 1.5, generator=generator)
                nn.init.normal_(module.bias, 0, 0.3, generator=generator)
            if module.track_running_stats:
                nn.init.normal_(module.running_mean, 0, 0.3, generator=generator)
                nn.init.uniform_(module.running_var, 0.2, 2.0, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return network.eval()


def small_network(seed: int = 0, size: int = 8, classes: int = 10) -> nn.Sequential:
    side = size // 2 - 2
    return shaken(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(8),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(8 * side * side, classes),
        ),
        seed,
    )


def torch_probabilities(members: list[nn.Sequential], images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        pixels = torch.from_numpy(images.copy()).float() / 255
        return torch.stack([member(pixels).softmax(dim=1) for member in members]).mean(dim=0).numpy()


def random_images(n: int = 64, size: int = 8, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8)
