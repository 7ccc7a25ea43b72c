"""Convolutions: ``32C3``, stride 2 ``32C5S2``, without padding ``32C3V``, without ReLU ``32C3L``, depthwise ``DW3``."""

from __future__ import annotations

import re
from typing import Any

from torch import Size, nn

from tenfold.models.layers import LAYERS, CFunction, CGraph, Layer, OnnxGraph, Shape, pair, unsupported

C_TEXT = """
static void {p}_conv(const float *x, const float *weight, const float *bias, float *y, int inputs,
                     int height, int width, int outputs, int kernel_h, int kernel_w, int stride_h,
                     int stride_w, int top, int left, int dilation_h, int dilation_w, int groups, int out_h, int out_w)
{
    const int group_in = inputs / groups, group_out = outputs / groups;
    for (int o = 0; o < outputs; o++) {
        const float *images = x + (o / group_out) * group_in * height * width;
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = bias ? bias[o] : 0.0f;
                for (int i = 0; i < group_in; i++)
                    for (int kr = 0; kr < kernel_h; kr++) {
                        const int row = r * stride_h + kr * dilation_h - top;
                        if (row < 0 || row >= height) continue;
                        for (int kc = 0; kc < kernel_w; kc++) {
                            const int column = c * stride_w + kc * dilation_w - left;
                            if (column < 0 || column >= width) continue;
                            sum += images[(i * height + row) * width + column]
                                 * weight[((o * group_in + i) * kernel_h + kr) * kernel_w + kc];
                        }
                    }
                y[(o * out_h + r) * out_w + c] = sum;
            }
    }
}
"""


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """A convolution, and ReLU unless the token ends in L."""
    depthwise = match["filters"] is None
    filters = shape.channels if depthwise else int(match["filters"])
    kernel, stride = int(match["kernel"]), int(match["stride"] or 1)
    padding = 0 if match["valid"] else kernel // 2
    height, width = shape.spatial()
    if min(height, width) + 2 * padding < kernel:
        raise ValueError(f"has a {kernel}x{kernel} kernel, but the image is only {height}x{width} here")
    convolution = nn.Conv2d(shape.channels, filters, kernel, stride, padding, groups=filters if depthwise else 1)
    shape.channels = filters
    shape.size = ((height + 2 * padding - kernel) // stride + 1, (width + 2 * padding - kernel) // stride + 1)
    return [convolution] if match["linear"] else [convolution, nn.ReLU()]


def emit(layer: nn.Conv2d, graph: OnnxGraph, x: str) -> str:
    """``Conv`` with all attributes that narrow readers ask for."""
    if layer.padding_mode != "zeros":
        raise unsupported(layer, f"padding_mode={layer.padding_mode!r}")
    if isinstance(layer.padding, str):
        raise unsupported(layer, f"padding={layer.padding!r}")
    return graph.node(
        "Conv",
        x,
        graph.weight(layer.weight),
        *([] if layer.bias is None else [graph.constant("bias", layer.bias)]),
        kernel_shape=pair(layer.kernel_size),
        strides=pair(layer.stride),
        pads=pair(layer.padding) * 2,
        dilations=pair(layer.dilation),
        group=layer.groups,
    )


def cost(layer: nn.Conv2d, before: Size, after: Size) -> int:
    """The kernel's weights at every pixel of the output."""
    return layer.weight.numel() * after[2] * after[3]


def c_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``conv``."""
    channels, height, width = graph.size(node.input[0])
    outputs, out_h, out_w = graph.size(node.output[0])
    kernel = graph.value(node.input[1]).shape[2:]
    top, left = attributes.get("pads", [0] * 4)[:2]
    tensors = [graph.source(node), graph.weight(node, 1), graph.weight(node, 2), graph.result(node)]
    numbers = [channels, height, width, outputs, *kernel, *attributes.get("strides", [1, 1]), top, left]
    return [*tensors, *numbers, *attributes.get("dilations", [1, 1]), attributes.get("group", 1), out_h, out_w]


LAYERS.add(
    "convolution",
    Layer(
        modules=(nn.Conv2d,),
        token=r"(DW|(?P<filters>[1-9]\d{0,4})C)(?P<kernel>[1-9]\d?)(S(?P<stride>[1-9]))?(?P<valid>V)?(?P<linear>L)?",
        form="32C3 (S2 stride, V valid, L linear), DW3",
        build=build,
        emit=emit,
        operators=frozenset({"Conv"}),
        cost=cost,
        c={"Conv": CFunction("conv", C_TEXT, c_arguments)},
    ),
)
