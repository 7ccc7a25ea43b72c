"""A network written in the layer notation."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from tenfold.errors import UsageError
from tenfold.models.notation import parse

Init = Literal["torch", "he-normal", "glorot-uniform"]


def Network(  # noqa: N802
    image_shape: tuple[int, int, int],
    classes: int,
    layers: str,
    init: Init = "torch",
    bn_momentum: float = 0.1,
    bn_eps: float = 1e-5,
) -> nn.Sequential:
    """The network that ``layers`` describes (see :mod:`tenfold.models.notation`).

    Args:
        image_shape: (C, H, W).
        classes: K.
        layers: the layers, in one line.
        init: initial weights of convolutions and dense layers. ``torch`` is its default,
            ``he-normal`` is He et al. 2015 (arXiv:1502.01852), ``glorot-uniform`` (Glorot & Bengio
            2010) is what Keras does; the latter two start biases at zero.
        bn_momentum: share of the newest batch in a batch norm's running statistics; what Keras calls
            momentum 0.99 is 0.01 here.
        bn_eps: added to the variance in batch norms; Keras has 1e-3.

    Raises:
        UsageError: a bad token, an unknown ``init``, or a number out of its range.
    """
    if init not in get_args(Init):
        raise UsageError(f"model init = {init!r}; expected one of: {', '.join(get_args(Init))}")
    for name, value in {"bn_momentum": bn_momentum, "bn_eps": bn_eps}.items():
        if not isinstance(value, int | float) or not 0 < value <= 1:
            raise UsageError(f"model {name} = {value!r}; expected a number above 0 and at most 1")
    network = parse(layers, image_shape, classes)
    for module in network:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum, module.eps = bn_momentum, bn_eps
    if init != "torch":
        for module in network:
            if isinstance(module, nn.Conv2d | nn.Linear):
                if init == "he-normal":
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
    return network
