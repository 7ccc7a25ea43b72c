"""Batch norm folded into its neighbours: at inference it is an affine map per channel.

Where a batch norm follows a convolution or a dense layer directly, that layer takes it over (Jacob et
al. 2018, arXiv:1712.05877, section 3.2). Where it comes after the activation, as in Deotte's networks,
the *next* convolution or dense layer takes it over, if that is exact: a convolution must not pad,
because the zeros at the border come after the batch norm. On the way there it may pass pooling layers
that commute with it. Everything else stays a batch norm.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(network: nn.Module) -> list[nn.Module]:
    """The layers of ``network`` for inference: float64 copies, batch norms folded, dropout left out.

    Applied one after the other they equal ``network.double().eval()`` but for float64 rounding.
    """
    layers: list[nn.Module] = []
    for layer in _leaves(network):
        if isinstance(layer, nn.Dropout | nn.Identity):
            continue
        previous = layers[-1] if layers else None
        if isinstance(previous, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(previous, layer)
        elif isinstance(previous, nn.Linear) and isinstance(layer, nn.BatchNorm1d):
            layers[-1] = fuse_linear_bn_eval(previous, layer)
        elif isinstance(previous, BATCH_NORMS) and _commute(previous, layer):
            layers.insert(-1, layer)
        elif isinstance(layer, nn.Conv2d) and isinstance(previous, nn.BatchNorm2d) and not _pads(layer):
            layers[-1] = _fold_into_convolution(previous, layer)
        elif isinstance(layer, nn.Linear) and isinstance(previous, BATCH_NORMS):
            layers[-1] = _fold_into_dense(previous, layer)
        elif isinstance(layer, nn.Linear) and isinstance(previous, nn.Flatten) and _ends_in_batch_norm(layers[:-1]):
            batch_norm = layers.pop(-2)
            layers.append(_fold_into_dense(batch_norm, layer))
        else:
            layers.append(layer)
    return layers


def scale_and_shift(batch_norm: nn.Module) -> tuple[Tensor, Tensor]:
    """The batch norm at inference, as ``x * scale + shift``; both float64 (C,)."""
    assert isinstance(batch_norm, BATCH_NORMS)
    if batch_norm.running_mean is None or batch_norm.running_var is None:
        raise ValueError("this batch norm keeps no running statistics, so it cannot work on single images")
    scale = torch.rsqrt(batch_norm.running_var.detach().double() + batch_norm.eps)
    if batch_norm.weight is not None:
        scale = scale * batch_norm.weight.detach().double()
    shift = -batch_norm.running_mean.detach().double() * scale
    if batch_norm.bias is not None:
        shift = shift + batch_norm.bias.detach().double()
    return scale, shift


def _leaves(network: nn.Module) -> Iterator[nn.Module]:
    if isinstance(network, nn.Sequential):
        for child in network:
            yield from _leaves(child)
    else:
        yield copy.deepcopy(network).double().eval().requires_grad_(False)


def _ends_in_batch_norm(layers: list[nn.Module]) -> bool:
    return bool(layers) and isinstance(layers[-1], BATCH_NORMS)


def _pads(layer: nn.Conv2d | nn.AvgPool2d) -> bool:
    return layer.padding not in (0, (0, 0))


def _commute(batch_norm: nn.Module, layer: nn.Module) -> bool:
    """Whether ``layer(batch_norm(x)) == batch_norm(layer(x))``."""
    if isinstance(layer, nn.AvgPool2d):
        return not _pads(layer)
    if isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d):
        return bool(
            (scale_and_shift(batch_norm)[0] >= 0).all()
        )  # a negative scale would turn the maximum into a minimum
    return isinstance(layer, nn.AdaptiveAvgPool2d)


def _fold_into_convolution(batch_norm: nn.Module, convolution: nn.Conv2d) -> nn.Conv2d:
    scale, shift = scale_and_shift(batch_norm)
    weight = convolution.weight
    inputs = weight.shape[1]
    # (out, in of its group): which of the batch norm's channels each filter sees
    group = torch.arange(len(weight)) // (len(weight) // convolution.groups)
    channels = group[:, None] * inputs + torch.arange(inputs)
    _replace(
        convolution, weight * scale[channels][:, :, None, None], (weight.sum(dim=(2, 3)) * shift[channels]).sum(dim=1)
    )
    return convolution


def _fold_into_dense(batch_norm: nn.Module, dense: nn.Linear) -> nn.Linear:
    scale, shift = scale_and_shift(batch_norm)
    pixels = dense.in_features // len(scale)  # flattening puts all pixels of a channel side by side
    scale, shift = scale.repeat_interleave(pixels), shift.repeat_interleave(pixels)
    _replace(dense, dense.weight * scale, dense.weight @ shift)
    return dense


def _replace(layer: nn.Conv2d | nn.Linear, weight: Tensor, added_bias: Tensor) -> None:
    bias = added_bias if layer.bias is None else layer.bias + added_bias
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
