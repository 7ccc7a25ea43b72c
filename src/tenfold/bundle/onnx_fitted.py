"""The layers of fitted models as ONNX operators; :mod:`tenfold.bundle.onnx_graph` registers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tenfold.models.layers.deskew import MASS_FLOOR, SPREAD_FLOOR, Deskew
from tenfold.models.layers.gradients import FLOOR, Gradients
from tenfold.models.layers.kernel import Kernel
from tenfold.models.layers.neighbours import TIE, Neighbours

if TYPE_CHECKING:
    from tenfold.bundle.onnx_graph import Graph


def deskew(layer: Deskew, graph: Graph, x: str) -> str:
    """Moments as products with the pixels' coordinates, then a grid that is linear in slant and shift."""
    across, down = layer.coordinates(torch.zeros((), dtype=torch.float64))
    columns, rows = across.expand(layer.height, -1).numpy().ravel(), down.expand(-1, layer.width).numpy().ravel()
    ink = graph.node("Flatten", x, axis=1)

    def moment(name: str, of: np.ndarray) -> str:
        return graph.node("MatMul", ink, graph.constant(name, np.tile(of, layer.channels)[:, None]))

    mass = graph.node("Add", moment("one", np.ones_like(rows)), graph.constant("mass_floor", MASS_FLOOR))
    x_mean, y_mean, xy, yy = (
        graph.node("Div", moment(name, of), mass)
        for name, of in (("x", columns), ("y", rows), ("xy", columns * rows), ("yy", rows * rows))
    )
    covariance = graph.node("Sub", xy, graph.node("Mul", x_mean, y_mean))
    variance = graph.node("Sub", yy, graph.node("Mul", y_mean, y_mean))
    slant = graph.node("Div", covariance, graph.node("Add", variance, graph.constant("spread_floor", SPREAD_FLOOR)))
    pixels = np.stack([columns, rows], axis=1).reshape(1, -1)
    by_row, everywhere = (np.stack([of, np.zeros_like(of)], axis=1).reshape(1, -1) for of in (rows, np.ones_like(rows)))
    sheared = graph.node(
        "Add", graph.constant("pixels", pixels), graph.node("MatMul", slant, graph.constant("rows", by_row))
    )
    shift = graph.node("MatMul", graph.node("Mul", slant, y_mean), graph.constant("everywhere", everywhere))
    grid = graph.node("Sub", sheared, shift)
    grid = graph.node("Reshape", grid, graph.integers("grid_shape", [-1, layer.height, layer.width, 2]))
    return graph.node("GridSample", x, grid, align_corners=1)  # linear, and 0 outside, are ONNX's defaults


def gradients(layer: Gradients, graph: Graph, x: str) -> str:
    """Two convolutions with fixed weights."""
    slopes, blur = layer.kernels()
    kernel_shape, group, weight = list(slopes.shape[2:]), layer.channels, graph.constant("slopes", slopes)
    rises = graph.node("Relu", graph.node("Conv", x, weight, kernel_shape=kernel_shape, pads=[2] * 4, group=group))
    kernel_shape, strides, weight = list(blur.shape[2:]), [layer.step] * 2, graph.constant("blur", blur)
    pads = [layer.margin] * 4
    spread = graph.node("Conv", rises, weight, kernel_shape=kernel_shape, strides=strides, pads=pads, group=len(blur))
    return graph.node("Sqrt", graph.node("Add", spread, graph.constant("floor", FLOOR)))


def kernel(layer: Kernel, graph: Graph, x: str) -> str:
    """exp(x.v - |v|^2 / 2 - |x|^2 / 2): one product of matrices."""
    vectors = layer.vectors
    half = graph.constant("half_norms", -0.5 * (vectors * vectors).sum(1))
    product = graph.node("Gemm", x, graph.constant("vectors", vectors), half, transB=1)
    halves = graph.constant("halves", np.full((vectors.shape[1], 1), 0.5))
    return graph.node("Exp", graph.node("Sub", product, graph.node("MatMul", graph.node("Mul", x, x), halves)))


def neighbours(layer: Neighbours, graph: Graph, x: str) -> str:
    """The nearest rows by one product of matrices, and their votes by their places."""
    rows, classes, count = layer.rows, layer.votes.shape[1], layer.looked_at
    half = graph.constant("half_norms", -0.5 * (rows * rows).sum(1))
    nearness = graph.node("Gemm", x, graph.constant("rows", rows), half, transB=1)
    values, places = graph.outputs("TopK", nearness, graph.integers("count", [count]), count=2)
    above = graph.node("Sub", values, graph.node("ReduceMin", values, axes=[1], keepdims=1))
    weights = graph.node("Add", above, graph.constant("tie", TIE))
    weights = graph.node("Reshape", weights, graph.integers("one_row", [-1, 1, count]))
    votes = graph.node("MatMul", weights, graph.node("Gather", graph.constant("votes", layer.votes), places, axis=0))
    votes = graph.node("Reshape", votes, graph.integers("flat", [-1, classes]))
    total = graph.node("MatMul", votes, graph.constant("sum", np.ones((classes, 1))))
    return graph.node("Log", graph.node("Add", graph.node("Div", votes, total), graph.constant("doubt", layer.doubt)))
