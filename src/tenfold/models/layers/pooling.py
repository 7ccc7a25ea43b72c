"""Pooling: ``MP2`` maximum and ``AP2`` mean of a window, ``MP3S2`` with stride 2, ``GAP`` and ``GMP`` of all pixels."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import nn

from tenfold.models.layers import LAYERS, CFunction, CGraph, Layer, OnnxGraph, Shape, pair, unsupported

MAX_POOL = """
static void {p}_max_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                         int stride_h, int stride_w, int top, int left, int out_h, int out_w)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float largest = -FLT_MAX;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        const float value = x[(k * height + row) * width + column];
                        if (value > largest) largest = value;
                    }
                y[(k * out_h + r) * out_w + c] = largest;
            }
}
"""
AVERAGE_POOL = """
static void {p}_average_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                             int stride_h, int stride_w, int top, int left, int out_h, int out_w, int count_padding)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = 0.0f;
                int count = 0;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        sum += x[(k * height + row) * width + column];
                        count++;
                    }
                y[(k * out_h + r) * out_w + c] = sum / (float)(count_padding ? kernel_h * kernel_w : count);
            }
}
"""
GLOBAL_AVERAGE = """
static void {p}_global_average(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        float sum = 0.0f;
        for (int i = 0; i < pixels; i++) sum += x[k * pixels + i];
        y[k] = sum / (float)pixels;
    }
}
"""
GLOBAL_MAX = """
static void {p}_global_max(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        y[k] = x[k * pixels];
        for (int i = 1; i < pixels; i++) if (x[k * pixels + i] > y[k]) y[k] = x[k * pixels + i];
    }
}
"""


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """A pool whose stride is its window unless the token says otherwise."""
    window = int(match["window"])
    stride = int(match["stride"] or window)
    height, width = shape.spatial()
    if min(height, width) < window:
        raise ValueError(f"pools {window}x{window}, but the image is only {height}x{width} here")
    shape.size = ((height - window) // stride + 1, (width - window) // stride + 1)
    return [(nn.MaxPool2d if match["kind"] == "MP" else nn.AvgPool2d)(window, stride)]


def build_global(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """A pool over all pixels; the network is flat behind it."""
    shape.spatial()
    shape.size = None
    return [nn.AdaptiveAvgPool2d(1) if match[0] == "GAP" else nn.AdaptiveMaxPool2d(1), nn.Flatten()]


def emit(layer: nn.MaxPool2d | nn.AvgPool2d, graph: OnnxGraph, x: str) -> str:
    """``MaxPool`` or ``AveragePool``."""
    assert layer.stride is not None
    window = {"kernel_shape": pair(layer.kernel_size), "strides": pair(layer.stride), "pads": pair(layer.padding) * 2}
    if isinstance(layer, nn.MaxPool2d):
        if layer.ceil_mode or pair(layer.dilation) != [1, 1]:
            raise unsupported(layer, "ceil_mode or dilation")
        return graph.node("MaxPool", x, **window)
    if layer.ceil_mode or layer.divisor_override is not None:
        raise unsupported(layer, "ceil_mode or divisor_override")
    return graph.node("AveragePool", x, **window, count_include_pad=int(layer.count_include_pad))


def emit_global(layer: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, graph: OnnxGraph, x: str) -> str:
    """``GlobalAveragePool`` or ``GlobalMaxPool``."""
    if layer.output_size not in (1, (1, 1)):
        raise unsupported(layer, f"output_size={layer.output_size}")
    return graph.node("GlobalAveragePool" if isinstance(layer, nn.AdaptiveAvgPool2d) else "GlobalMaxPool", x)


def window_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``max_pool``."""
    top, left = attributes.get("pads", [0] * 4)[:2]
    window = [*attributes["kernel_shape"], *attributes.get("strides", [1, 1]), top, left]
    tensors = [graph.source(node), graph.result(node)]
    return [*tensors, *graph.size(node.input[0]), *window, *graph.size(node.output[0])[1:]]


def average_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``average_pool``."""
    return [*window_arguments(graph, node, attributes), attributes.get("count_include_pad", 0)]


def global_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``global_average`` and ``global_max``."""
    channels, *pixels = graph.size(node.input[0])
    return [graph.source(node), graph.result(node), channels, math.prod(pixels)]


LAYERS.add(
    "pool",
    Layer(
        modules=(nn.MaxPool2d, nn.AvgPool2d),
        token=r"(?P<kind>MP|AP)(?P<window>[1-9])(S(?P<stride>[1-9]))?",
        form="MP2, AP2",
        build=build,
        emit=emit,
        operators=frozenset({"MaxPool", "AveragePool"}),
        c={
            "MaxPool": CFunction("max_pool", MAX_POOL, window_arguments),
            "AveragePool": CFunction("average_pool", AVERAGE_POOL, average_arguments),
        },
    ),
)
LAYERS.add(
    "global-pool",
    Layer(
        modules=(nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
        token=r"GAP|GMP",
        form="GAP, GMP",
        build=build_global,
        emit=emit_global,
        operators=frozenset({"GlobalAveragePool", "GlobalMaxPool"}),
        c={
            "GlobalAveragePool": CFunction("global_average", GLOBAL_AVERAGE, global_arguments),
            "GlobalMaxPool": CFunction("global_max", GLOBAL_MAX, global_arguments),
        },
    ),
)
