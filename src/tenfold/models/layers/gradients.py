"""Where strokes run in which direction: gradient features as a layer."""

from __future__ import annotations

import math
import re

import torch
from torch import Size, nn
from torch.nn import functional as F

from tenfold.models.layers import LAYERS, Layer, OnnxGraph, Shape

DIRECTIONS = 8
FLOOR = 1e-4
"""Added before the root, whose slope has no bound at 0."""


class Gradients(nn.Module):
    """(B, C, H, W) to (B, 8 C, h, w): how strongly brightness rises in each of 8 directions, around points ``step``
    pixels apart.

    Sobel's gradient, its positive parts along 8 directions, a Gaussian blur at every ``step``-th pixel,
    and a square root, after Liu et al. 2003, "Handwritten digit recognition: benchmarking of
    state-of-the-art techniques" (Pattern Recognition 36); they share each gradient between its two
    nearest directions, here it is projected on all.

    Args:
        channels: C.
        step: pixels between two points.
        sigma: of the blur, in pixels.
    """

    def __init__(self, channels: int, step: int = 4, sigma: float = 2.0) -> None:
        super().__init__()
        self.channels, self.step, self.sigma = channels, step, sigma
        self.reach = math.ceil(2.5 * sigma)
        self.margin = 1 + step // 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        slopes, blur = (kernel.to(images) for kernel in self.kernels())
        rises = F.relu(F.conv2d(images, slopes, padding=2, groups=self.channels))
        spread = F.conv2d(rises, blur, stride=self.step, padding=self.margin, groups=len(blur))
        return torch.sqrt(spread + FLOOR)

    def kernels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The slopes (8 C, 1, 3, 3) and the blur (8 C, 1, w, w), float64."""
        angles = torch.arange(DIRECTIONS, dtype=torch.float64) * (2 * math.pi / DIRECTIONS)
        across = torch.tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64) / 8
        slopes = angles.cos()[:, None, None] * across + angles.sin()[:, None, None] * across.T
        offsets = torch.arange(-self.reach, self.reach + 1, dtype=torch.float64)
        bell = torch.exp(-offsets * offsets / (2 * self.sigma**2))
        bell /= bell.sum()
        blur = bell[:, None] * bell[None, :]
        count = DIRECTIONS * self.channels
        return slopes[:, None].repeat(self.channels, 1, 1, 1), blur.expand(count, 1, -1, -1).contiguous()

    def extra_repr(self) -> str:
        return f"step={self.step}, sigma={self.sigma}"


def build(match: re.Match[str], shape: Shape, classes: int) -> list[nn.Module]:
    """Features at points as far apart as the token says, 4 pixels without a number."""
    step = int(match["step"] or 4)
    layer = Gradients(shape.channels, step, sigma=step / 2)
    height, width = shape.spatial()
    _, shape.channels, *points = layer(torch.zeros(1, shape.channels, height, width)).shape
    shape.size = (points[0], points[1])
    return [layer]


def emit(layer: Gradients, graph: OnnxGraph, x: str) -> str:
    """Two convolutions with fixed weights."""
    slopes, blur = layer.kernels()
    kernel_shape, group, weight = list(slopes.shape[2:]), layer.channels, graph.constant("slopes", slopes)
    rises = graph.node("Relu", graph.node("Conv", x, weight, kernel_shape=kernel_shape, pads=[2] * 4, group=group))
    kernel_shape, strides, weight = list(blur.shape[2:]), [layer.step] * 2, graph.constant("blur", blur)
    pads = [layer.margin] * 4
    spread = graph.node("Conv", rises, weight, kernel_shape=kernel_shape, strides=strides, pads=pads, group=len(blur))
    return graph.node("Sqrt", graph.node("Add", spread, graph.constant("floor", FLOOR)))


def cost(layer: Gradients, before: Size, after: Size) -> int:
    """Both convolutions; the first one's output is two rows and columns larger than the images."""
    slopes, blur = layer.kernels()
    return slopes.numel() * (before[2] + 2) * (before[3] + 2) + blur.numel() * after[2] * after[3]


LAYERS.add(
    "gradients",
    Layer(
        modules=(Gradients,),
        token=r"GRADIENTS(?P<step>[1-8])?",
        form="GRADIENTS",
        build=build,
        emit=emit,
        operators=frozenset({"Add", "Conv", "Relu", "Sqrt"}),
        cost=cost,
        c={"Sqrt": "sqrtf(x[i])"},
    ),
)
