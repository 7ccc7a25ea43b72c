"""A layer that sets slanted writing upright."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.errors import UsageError
from tenfold.models.layers import LAYERS, CFunction, CGraph, Layer, OnnxGraph, Shape

MASS_FLOOR = 1e-6
"""Added to the ink of an image, so that a blank one has a centre."""
SPREAD_FLOOR = 1e-3
"""Added to the variance over rows, so that a single row is not sheared beyond sight."""


class Deskew(nn.Module):
    """(B, C, H, W), each image sheared along its rows until its ink's slant, mu11 / mu02, is 0.

    The moments are of the brightness in all channels; the shear is about the row of the centre of mass,
    which stays where it is; between pixels it is linear, and 0 comes in from outside (LeCun et al. 1998,
    "Gradient-based learning applied to document recognition", section III.A; Teow & Loe 2002).
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.channels, self.height, self.width = channels, height, width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, y = self.coordinates(images)
        ink = images.sum(1)
        mass = ink.sum((1, 2)) + MASS_FLOOR
        x_mean, y_mean = (ink * x).sum((1, 2)) / mass, (ink * y).sum((1, 2)) / mass
        xy, yy = (ink * (x * y)).sum((1, 2)) / mass, (ink * (y * y)).sum((1, 2)) / mass
        slant = (xy - x_mean * y_mean) / (yy - y_mean * y_mean + SPREAD_FLOOR)
        columns = x + slant[:, None, None] * (y - y_mean[:, None, None])
        grid = torch.stack([columns, y.expand_as(columns)], dim=3)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=True)

    def coordinates(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """X (1, W) and y (H, 1) of the pixels, -1..1 from the first to the last."""
        x = torch.linspace(-1, 1, self.width, dtype=like.dtype, device=like.device)
        y = torch.linspace(-1, 1, self.height, dtype=like.dtype, device=like.device)
        return x[None, :], y[:, None]

    def extra_repr(self) -> str:
        return f"{self.height}x{self.width}"


C_TEXT = """
static float {p}_pixel(const float *x, int height, int width, float row, float column)
{
    return row >= 0 && column >= 0 && row < height && column < width ? x[(int)row * width + (int)column] : 0.0f;
}

static float {p}_place(float at, int length, int corners)
{
    return corners ? (at + 1) / 2 * (float)(length - 1) : ((at + 1) * (float)length - 1) / 2;
}

static void {p}_grid_sample(const float *x, const float *grid, float *y, int channels, int height, int width, int out_h,
                            int out_w, int corners)
{
    for (int i = 0; i < out_h * out_w; i++) {
        const float column = {p}_place(grid[2 * i], width, corners), row = {p}_place(grid[2 * i + 1], height, corners);
        const float left = floorf(column), top = floorf(row), across = column - left, down = row - top;
        for (int k = 0; k < channels; k++) {
            const float *image = x + k * height * width;
            const float upper = (1 - across) * {p}_pixel(image, height, width, top, left)
                                + across * {p}_pixel(image, height, width, top, left + 1);
            const float lower = (1 - across) * {p}_pixel(image, height, width, top + 1, left)
                                + across * {p}_pixel(image, height, width, top + 1, left + 1);
            y[k * out_h * out_w + i] = (1 - down) * upper + down * lower;
        }
    }
}
"""


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """For images of this size."""
    return [Deskew(shape.channels, *shape.spatial())]


def emit(layer: Deskew, graph: OnnxGraph, x: str) -> str:
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


def c_arguments(graph: CGraph, node: Any, attributes: dict[str, Any]) -> list[str | int]:
    """Of ``grid_sample``."""
    linear, zeros = attributes.get("mode", b"linear"), attributes.get("padding_mode", b"zeros")
    if linear not in (b"linear", b"bilinear") or zeros != b"zeros":
        raise UsageError("no C for a GridSample with these attributes; export this model --to onnx")
    tensors = [graph.source(node), graph.named(node.input[1]), graph.result(node)]
    sizes = [*graph.size(node.input[0]), *graph.size(node.output[0])[1:]]
    return [*tensors, *sizes, attributes.get("align_corners", 0)]


LAYERS.add(
    "deskew",
    Layer(
        modules=(Deskew,),
        token=r"DESKEW",
        form="DESKEW",
        build=build,
        emit=emit,
        operators=frozenset({"Add", "Div", "Flatten", "GridSample", "MatMul", "Mul", "Reshape", "Sub"}),
        c={"GridSample": CFunction("grid_sample", C_TEXT, c_arguments)},
    ),
)
