"""A network written in the layer notation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

from torch import nn

from tenfold.errors import UsageError
from tenfold.models.notation import parse

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
    """The network that ``layers`` describes (see :mod:`tenfold.models.notation`).

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
