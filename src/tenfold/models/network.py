"""A network written in the layer notation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tenfold.errors import UsageError
from tenfold.models.layers.deskew import Deskew
from tenfold.models.layers.gradients import Gradients


class Crop(nn.Module):
    """(B, C, H, W) without ``pixels`` rows and columns on each side; whoever exports it wants to know ``channels``,
    C.
    """

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.channels, self.pixels = channels, pixels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n = self.pixels
        return images[:, :, n:-n, n:-n]

    def extra_repr(self) -> str:
        return f"{self.pixels}"


HELP = (
    "expected tokens such as 32C3 (S2 stride, V valid, L linear), DW3, BN, CROP2, DESKEW, GRADIENTS, RELU, ELU, LRELU,"
    " SILU, MP2, AP2, GAP, GMP, D40, FLAT, 128, 128L, SOFTMAX10"
)


@dataclass
class _Shape:
    """What flows between two tokens: channels and, until the net is flat, height and width."""

    channels: int
    size: tuple[int, int] | None

    def spatial(self) -> tuple[int, int]:
        if self.size is None:
            raise ValueError("needs an image, but the net is flat already")
        return self.size

    def flat(self) -> int:
        if self.size is not None:
            raise ValueError("needs a flat input; put FLAT, GAP or GMP before it")
        return self.channels


def parse(layers: str, image_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """The network that ``layers`` describes, for images (C, H, W) and K classes.

    Raises:
        UsageError: pointing at the token that is unknown, does not fit, or is missing.
    """
    channels, height, width = image_shape
    shape = _Shape(channels, (height, width))
    modules: list[nn.Module] = []
    words = [(m.group(), m.start()) for m in re.finditer(r"\S+", layers)]
    if not words:
        raise UsageError(f"the layers are empty; {HELP}")
    for word, position in words:
        try:
            if modules and isinstance(modules[-1], _Output):
                raise ValueError("comes after the output; SOFTMAX must be the last token")
            modules.extend(_layer(word, shape, classes))
        except ValueError as error:
            raise UsageError(f"{word!r} {error}\n  {layers}\n  {' ' * position}{'^' * len(word)}") from None
    if not isinstance(modules[-1], _Output):
        raise UsageError(f"the layers end with {words[-1][0]!r}; the last token must be SOFTMAX or SOFTMAX{classes}")
    return nn.Sequential(*modules)


class _Output(nn.Linear):
    """The last dense layer, whose outputs are logits."""


def _layer(word: str, shape: _Shape, classes: int) -> list[nn.Module]:
    for pattern, build in _TOKENS.items():
        if match := re.fullmatch(pattern, word):
            return build(match, shape, classes)
    raise ValueError(f"is not a layer; {HELP}")


def _convolution(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
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


def _crop(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    pixels = int(match["pixels"])
    height, width = shape.spatial()
    if min(height, width) <= 2 * pixels:
        raise ValueError(f"cuts off {pixels} pixels on each side, but the image is only {height}x{width} here")
    shape.size = (height - 2 * pixels, width - 2 * pixels)
    return [Crop(shape.channels, pixels)]


def _deskew(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    return [Deskew(shape.channels, *shape.spatial())]


def _gradients(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    step = int(match["step"] or 4)
    layer = Gradients(shape.channels, step, sigma=step / 2)
    height, width = shape.spatial()
    _, shape.channels, *points = layer(torch.zeros(1, shape.channels, height, width)).shape
    shape.size = (points[0], points[1])
    return [layer]


def _pool(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    window = int(match["window"])
    stride = int(match["stride"] or window)
    height, width = shape.spatial()
    if min(height, width) < window:
        raise ValueError(f"pools {window}x{window}, but the image is only {height}x{width} here")
    shape.size = ((height - window) // stride + 1, (width - window) // stride + 1)
    return [(nn.MaxPool2d if match["kind"] == "MP" else nn.AvgPool2d)(window, stride)]


def _global_pool(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    shape.spatial()
    shape.size = None
    return [nn.AdaptiveAvgPool2d(1) if match[0] == "GAP" else nn.AdaptiveMaxPool2d(1), nn.Flatten()]


def _flatten(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    height, width = shape.spatial()
    shape.channels, shape.size = shape.channels * height * width, None
    return [nn.Flatten()]


def _batch_norm(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    return [nn.BatchNorm1d(shape.channels) if shape.size is None else nn.BatchNorm2d(shape.channels)]


def _dense(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    units = int(match["units"])
    dense = nn.Linear(shape.flat(), units)
    shape.channels = units
    return [dense] if match["linear"] else [dense, nn.ReLU()]


def _output(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    outputs = int(match["classes"] or classes)
    if outputs != classes:
        raise ValueError(f"has {outputs} outputs, but the data has {classes} classes; SOFTMAX alone always fits")
    return [_Output(shape.flat(), outputs)]


def _dropout(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    return [nn.Dropout(int(match["percent"]) / 100)]


def _activation(match: re.Match[str], shape: _Shape, classes: int) -> list[nn.Module]:
    return [{"RELU": nn.ReLU, "ELU": nn.ELU, "LRELU": nn.LeakyReLU, "SILU": nn.SiLU}[match[0]]()]


_TOKENS: dict[str, Callable[[re.Match[str], _Shape, int], list[nn.Module]]] = {
    r"(DW|(?P<filters>[1-9]\d{0,4})C)(?P<kernel>[1-9]\d?)(S(?P<stride>[1-9]))?(?P<valid>V)?(?P<linear>L)?": (
        _convolution
    ),
    r"(?P<kind>MP|AP)(?P<window>[1-9])(S(?P<stride>[1-9]))?": _pool,
    r"GAP|GMP": _global_pool,
    r"BN": _batch_norm,
    r"CROP(?P<pixels>[1-9])": _crop,
    r"DESKEW": _deskew,
    r"GRADIENTS(?P<step>[1-8])?": _gradients,
    r"RELU|ELU|LRELU|SILU": _activation,
    r"D(?P<percent>[1-9]?\d)": _dropout,
    r"FLAT": _flatten,
    r"SOFTMAX(?P<classes>[1-9]\d{0,5})?": _output,
    r"(?P<units>[1-9]\d{0,5})(?P<linear>L)?": _dense,
}


def parameters(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters())


def multiply_adds(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-add operations (MAC) of the forward pass on one image (C, H, W).

    Convolutions and matrix products count; biases, norms, activations and pools do not.
    """
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, *image_shape))
    finally:
        network.train(training)
    return int(counter.get_total_flops()) // 2


Init = Literal["torch", "he-normal", "he-uniform", "glorot-uniform"]
_INITS: dict[str, Callable[..., Any]] = {
    "he-normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "he-uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "glorot-uniform": nn.init.xavier_uniform_,
}


def Network(  # noqa: N802
    image_shape: tuple[int, int, int],
    classes: int,
    layers: str,
    init: Init = "torch",
    dense_init: Init | None = None,
    bn_momentum: float = 0.1,
    bn_eps: float = 1e-5,
) -> nn.Sequential:
    """The network that ``layers`` describes (see :mod:`tenfold.models.network`).

    Args:
        image_shape: (C, H, W).
        classes: K.
        layers: the layers, in one line.
        init: initial weights of convolutions and dense layers. ``torch`` is its default,
            ``he-normal`` and ``he-uniform`` are He et al. 2015 (arXiv:1502.01852), ``glorot-uniform`` (Glorot &
            Bengio 2010) is what Keras does; these start biases at zero.
        dense_init: the same for hidden dense layers, where they begin otherwise than the rest.
        bn_momentum: share of the newest batch in a batch norm's running statistics; what Keras calls
            momentum 0.99 is 0.01 here.
        bn_eps: added to the variance in batch norms; Keras has 1e-3.

    Raises:
        UsageError: a bad token, an unknown ``init``, or a number out of its range.
    """
    for key, named in {"init": init, "dense_init": dense_init or init}.items():
        if named not in get_args(Init):
            raise UsageError(f"model {key} = {named!r}; expected one of: {', '.join(get_args(Init))}")
    for name, value in {"bn_momentum": bn_momentum, "bn_eps": bn_eps}.items():
        if not isinstance(value, int | float) or not 0 < value <= 1:
            raise UsageError(f"model {name} = {value!r}; expected a number above 0 and at most 1")
    network = parse(layers, image_shape, classes)
    for module in network:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum, module.eps = bn_momentum, bn_eps
    for module in network:
        if isinstance(module, nn.Conv2d | nn.Linear):
            hidden = isinstance(module, nn.Linear) and module is not network[-1]
            _initialise(module, dense_init if hidden and dense_init else init)
    return network


def _initialise(module: nn.Conv2d | nn.Linear, init: Init) -> None:
    if init == "torch":
        return
    _INITS[init](module.weight)
    assert module.bias is not None
    nn.init.zeros_(module.bias)
