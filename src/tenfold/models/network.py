"""A network written in the layer notation."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from tenfold.errors import UsageError
from tenfold.models.notation import parse

Init = Literal["torch", "he-normal", "glorot-uniform"]


def Network(image_shape: tuple[int, int, int], classes: int, layers: str, init: Init = "torch") -> nn.Sequential:  # noqa: N802
    """The network that ``layers`` describes (see :mod:`tenfold.models.notation`).

    Args:
        image_shape: (C, H, W).
        classes: K.
        layers: the layers, in one line.
        init: initial weights of convolutions and dense layers. ``torch`` is its default,
            ``he-normal`` is He et al. 2015 (arXiv:1502.01852), ``glorot-uniform`` (Glorot & Bengio
            2010) is what Keras does; the latter two start biases at zero.

    Raises:
        UsageError: a bad token, or an unknown ``init``.
    """
    if init not in get_args(Init):
        raise UsageError(f"model init = {init!r}; expected one of: {', '.join(get_args(Init))}")
    network = parse(layers, image_shape, classes)
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
