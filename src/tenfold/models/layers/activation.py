"""``RELU``, ``ELU``, ``LRELU``, ``SILU``: a function of each value."""

from __future__ import annotations

import re

from torch import nn

from tenfold.models.layers import LAYERS, Layer, OnnxGraph, Shape, unsupported

TOKENS = {"RELU": nn.ReLU, "ELU": nn.ELU, "LRELU": nn.LeakyReLU, "SILU": nn.SiLU}


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """The function that the token names."""
    return [TOKENS[match[0]]()]


def emit(layer: nn.Module, graph: OnnxGraph, x: str) -> str:
    """The ONNX operator of the same name; ``x * Sigmoid(x)`` for SiLU."""
    match layer:
        case nn.ReLU():
            return graph.node("Relu", x)
        case nn.ELU():
            return graph.node("Elu", x, alpha=float(layer.alpha))
        case nn.LeakyReLU():
            return graph.node("LeakyRelu", x, alpha=float(layer.negative_slope))
        case nn.SiLU():
            return graph.node("Mul", x, graph.node("Sigmoid", x))
        case nn.Softplus() if layer.beta == 1:
            return graph.node("Softplus", x)
    raise unsupported(layer, f"beta={layer.beta}")


LAYERS.add(
    "activation",
    Layer(
        modules=(*TOKENS.values(), nn.Softplus),
        token="|".join(TOKENS),
        form="RELU, ELU, LRELU, SILU",
        build=build,
        emit=emit,
        operators=frozenset({"Relu", "Elu", "LeakyRelu", "Sigmoid", "Mul", "Softplus"}),
        c={
            "Relu": "x[i] > 0.0f ? x[i] : 0.0f",
            "Elu": "x[i] > 0.0f ? x[i] : {alpha} * (expf(x[i]) - 1.0f)",
            "LeakyRelu": "x[i] > 0.0f ? x[i] : {alpha} * x[i]",
            "Sigmoid": "1.0f / (1.0f + expf(-x[i]))",
            "Softplus": "(x[i] > 0.0f ? x[i] : 0.0f) + log1pf(expf(-fabsf(x[i])))",
        },
    ),
)
