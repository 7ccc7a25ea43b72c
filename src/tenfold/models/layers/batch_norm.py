"""``BN``: batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167)."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from torch import nn

from tenfold.models.layers import LAYERS, CFunction, CGraph, Layer, OnnxGraph, Shape

C_TEXT = """
static void {p}_batch_norm(const float *x, const float *scale, const float *shift, float *y, int channels, int pixels)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < pixels; i++) y[c * pixels + i] = x[c * pixels + i] * scale[c] + shift[c];
}
"""


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """For images or for flat values."""
    return [nn.BatchNorm1d(shape.channels) if shape.size is None else nn.BatchNorm2d(shape.channels)]


def emit(layer: nn.BatchNorm1d | nn.BatchNorm2d, graph: OnnxGraph, x: str) -> str:
    """``BatchNormalization``, where :mod:`tenfold.bundle.folding` could not fold it into a neighbour."""
    assert layer.running_mean is not None and layer.running_var is not None
    ones = np.ones(layer.num_features)
    weight = graph.constant("weight", ones if layer.weight is None else layer.weight)
    bias = graph.constant("bias", 0 * ones if layer.bias is None else layer.bias)
    mean, variance = graph.constant("mean", layer.running_mean), graph.constant("variance", layer.running_var)
    return graph.node("BatchNormalization", x, weight, bias, mean, variance, epsilon=layer.eps)


def c_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``batch_norm``."""
    weight, bias, mean, variance = (graph.value(name).astype(np.float64) for name in node.input[1:])
    scale = weight / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    numbers = {"scale": scale, "shift": bias - mean * scale}
    names = [graph.constant(f"{node.output[0]}.{name}", value) for name, value in numbers.items()]
    channels, *pixels = graph.size(node.input[0])
    return [graph.source(node), *names, graph.result(node), channels, math.prod(pixels)]


LAYERS.add(
    "batch-norm",
    Layer(
        modules=(nn.BatchNorm1d, nn.BatchNorm2d),
        token=r"BN",
        form="BN",
        build=build,
        emit=emit,
        operators=frozenset({"BatchNormalization"}),
        c={"BatchNormalization": CFunction("batch_norm", C_TEXT, c_arguments)},
    ),
)
