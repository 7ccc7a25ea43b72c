"""``FLAT`` lays pixels side by side, ``CROP2`` cuts pixels off at each side, ``D40`` drops values while training."""

from __future__ import annotations

import re

import torch
from torch import nn

from tenfold.models.layers import LAYERS, Layer, OnnxGraph, Shape, unsupported


class Crop(nn.Module):
    """(B, C, H, W) without ``pixels`` rows and columns on each side.

    Args:
        channels: C, which the exported form needs.
        pixels: how many.
    """

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.channels, self.pixels = channels, pixels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n = self.pixels
        return images[:, :, n:-n, n:-n]

    def extra_repr(self) -> str:
        return f"{self.pixels}"


def build_crop(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """Smaller images."""
    pixels = int(match["pixels"])
    height, width = shape.spatial()
    if min(height, width) <= 2 * pixels:
        raise ValueError(f"cuts off {pixels} pixels on each side, but the image is only {height}x{width} here")
    shape.size = (height - 2 * pixels, width - 2 * pixels)
    return [Crop(shape.channels, pixels)]


def build_flatten(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """Flat values."""
    height, width = shape.spatial()
    shape.channels, shape.size = shape.channels * height * width, None
    return [nn.Flatten()]


def build_dropout(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """A share of values that are 0 while training (Srivastava et al. 2014)."""
    return [nn.Dropout(int(match["percent"]) / 100)]


def emit_crop(layer: Crop, graph: OnnxGraph, x: str) -> str:
    """A convolution with a single 1."""
    return graph.picked(x, layer.channels, layer.pixels)


def emit_flatten(layer: nn.Flatten, graph: OnnxGraph, x: str) -> str:
    """``Flatten``."""
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise unsupported(layer, f"start_dim={layer.start_dim}, end_dim={layer.end_dim}")
    return graph.node("Flatten", x, axis=1)


def emit_dropout(layer: nn.Dropout, graph: OnnxGraph, x: str) -> str:
    """Nothing: no value is dropped at inference."""
    return x


LAYERS.add(
    "crop",
    Layer(
        modules=(Crop,),
        token=r"CROP(?P<pixels>[1-9])",
        form="CROP2",
        build=build_crop,
        emit=emit_crop,
        operators=frozenset({"Conv"}),
    ),
)
LAYERS.add(
    "flatten",
    Layer(
        modules=(nn.Flatten,),
        token=r"FLAT",
        form="FLAT",
        build=build_flatten,
        emit=emit_flatten,
        operators=frozenset({"Flatten"}),
    ),
)
LAYERS.add(
    "dropout",
    Layer(
        modules=(nn.Dropout, nn.Identity),
        token=r"D(?P<percent>[1-9]?\d)",
        form="D40",
        build=build_dropout,
        emit=emit_dropout,
    ),
)
