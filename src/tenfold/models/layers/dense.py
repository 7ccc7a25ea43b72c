"""Dense layers: ``128`` with ReLU, ``128L`` without, and the output ``SOFTMAX``, whose values stay logits here."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import Size, nn

from tenfold.errors import UsageError
from tenfold.models.layers import LAYERS, CFunction, CGraph, Layer, OnnxGraph, Shape

DENSE = """
static void {p}_dense(const float *x, const float *weight, const float *bias, float *y, int inputs, int outputs)
{
    for (int o = 0; o < outputs; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (int i = 0; i < inputs; i++) sum += x[i] * weight[o * inputs + i];
        y[o] = sum;
    }
}
"""
PRODUCT = """
static void {p}_product(const float *x, const float *matrix, float *y, int rows, int inputs, int outputs)
{
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o++) {
            float sum = 0.0f;
            for (int i = 0; i < inputs; i++) sum += x[r * inputs + i] * matrix[i * outputs + o];
            y[r * outputs + o] = sum;
        }
}
"""
SOFTMAX = """
static void {p}_softmax(const float *x, float *y, int count)
{
    float largest = x[0], sum = 0.0f;
    for (int i = 1; i < count; i++) if (x[i] > largest) largest = x[i];
    for (int i = 0; i < count; i++) sum += y[i] = expf(x[i] - largest);
    for (int i = 0; i < count; i++) y[i] /= sum;
}
"""


class Output(nn.Linear):
    """The last dense layer, whose outputs are logits."""


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """A dense layer, and ReLU unless the token ends in L."""
    units = int(match["units"])
    dense = nn.Linear(shape.flat(), units)
    shape.channels = units
    return [dense] if match["linear"] else [dense, nn.ReLU()]


def build_output(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """The last layer, with an output a class."""
    outputs = int(match["classes"] or classes)
    if outputs != classes:
        raise ValueError(f"has {outputs} outputs, but the data has {classes} classes; SOFTMAX alone always fits")
    return [Output(shape.flat(), outputs)]


def emit(layer: nn.Linear, graph: OnnxGraph, x: str) -> str:
    """``Gemm``."""
    bias = [] if layer.bias is None else [graph.constant("bias", layer.bias)]
    return graph.node("Gemm", x, graph.weight(layer.weight), *bias, transB=1)


def cost(layer: nn.Linear, before: Size, after: Size) -> int:
    """A product a weight."""
    return layer.weight.numel() * math.prod(before[1:-1])


def dense_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``dense``."""
    if attributes.get("transA") or attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
        raise UsageError("no C for a Gemm with these attributes; export this model --to onnx")
    tensor, weight = node.input[1], graph.value(node.input[1])
    if not attributes.get("transB"):
        tensor, weight = f"{tensor}.transposed", weight.T
    tensors = [graph.source(node), graph.constant(tensor, weight), graph.weight(node, 2), graph.result(node)]
    return [*tensors, weight.shape[1], weight.shape[0]]


def softmax_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``softmax``."""
    return [graph.source(node), graph.result(node), math.prod(graph.size(node.input[0]))]


def product_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``product``."""
    try:
        right = graph.value(node.input[1])
    except KeyError:
        right = None
    if right is None or right.ndim != 2:
        raise UsageError("no C for a MatMul by anything but one matrix; export this model --to onnx")
    rows = math.prod(graph.size(node.input[0])) // len(right)
    return [graph.source(node), graph.weight(node, 1), graph.result(node), rows, *right.shape]


LAYERS.add(
    "dense",
    Layer(
        modules=(nn.Linear,),
        token=r"(?P<units>[1-9]\d{0,5})(?P<linear>L)?",
        form="128, 128L",
        build=build,
        emit=emit,
        operators=frozenset({"Gemm"}),
        cost=cost,
        c={
            "Gemm": CFunction("dense", DENSE, dense_arguments),
            "MatMul": CFunction("product", PRODUCT, product_arguments),
        },
    ),
)
LAYERS.add(
    "output",
    Layer(
        modules=(Output,),
        token=r"SOFTMAX(?P<classes>[1-9]\d{0,5})?",
        form="SOFTMAX10",
        build=build_output,
        emit=emit,
        operators=frozenset({"Gemm"}),
        cost=cost,
        c={"Softmax": CFunction("softmax", SOFTMAX, softmax_arguments)},
    ),
)
