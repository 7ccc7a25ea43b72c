"""A layer that halves all values: token, torch module and ONNX here, the JavaScript of an operator in ``halve.js``."""

import torch
from torch import nn

from tenfold.models.layers import Layer


class Halve(nn.Module):
    """x / 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


HALVE = Layer(
    modules=(Halve,),
    token=r"HALVE",
    form="HALVE",
    build=lambda match, shape, classes: [Halve()],
    emit=lambda layer, graph, x: graph.node("Div", x, graph.constant("two", 2.0)),
    operators=frozenset({"Div"}),
)
