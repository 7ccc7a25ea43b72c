"""A network written in the layer notation."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import nn

from tenfold.errors import UsageError
from tenfold.models.layers import LAYERS, Shape, layer_of
from tenfold.models.layers.dense import Output


def parse(layers: str, image_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """The network that ``layers`` describes, for images (C, H, W) and K classes.

    Raises:
        UsageError: pointing at the token that is unknown, does not fit, or is missing.
    """
    channels, height, width = image_shape
    shape = Shape(channels, (height, width))
    modules: list[nn.Module] = []
    words = [(m.group(), m.start()) for m in re.finditer(r"\S+", layers)]
    if not words:
        raise UsageError(f"the layers are empty; {help_text()}")
    for word, position in words:
        try:
            if modules and isinstance(modules[-1], Output):
                raise ValueError("comes after the output; SOFTMAX must be the last token")
            modules.extend(_layer(word, shape, classes))
        except ValueError as error:
            raise UsageError(f"{word!r} {error}\n  {layers}\n  {' ' * position}{'^' * len(word)}") from None
    if not isinstance(modules[-1], Output):
        raise UsageError(f"the layers end with {words[-1][0]!r}; the last token must be SOFTMAX or SOFTMAX{classes}")
    return nn.Sequential(*modules)


def _layer(word: str, shape: Shape, classes: int) -> list[nn.Module]:
    for layer in LAYERS.load().values():
        if layer.token and layer.build and (match := re.fullmatch(layer.token, word)):
            return layer.build(match, shape, classes)
    raise ValueError(f"is not a layer; {help_text()}")


def help_text() -> str:
    """Examples of every token."""
    return f"expected tokens such as {', '.join(layer.form for layer in LAYERS.load().values() if layer.form)}"


def parameters(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in network.parameters())


def multiply_adds(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-add operations (MAC) of the forward pass on one image (C, H, W).

    Convolutions and matrix products count; biases, norms, activations and pools do not. Layers say their cost; torch
    counts where a part of the network is no registered layer, which loads its compiler first: seconds.
    """
    training, said = network.training, []
    known = {part: layer for part in network.modules() if (layer := layer_of(part))}
    counts_itself = any(part not in known and not isinstance(part, nn.Sequential) for part in network.modules())

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        said.append(known[module].cost(module, inputs[0].shape, output.shape))

    hooks = [part.register_forward_hook(count) for part in known]
    network.eval()
    try:
        with torch.no_grad():
            if counts_itself:
                return _flops(network, image_shape) // 2
            network(torch.zeros(1, *image_shape))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return sum(said)


def _flops(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *image_shape))
    return int(counter.get_total_flops())


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
