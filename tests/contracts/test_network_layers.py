"""The contract of every layer: token, cost, ONNX, C and JavaScript; and a layer that is added."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from _networks import torch_probabilities
from tenfold.bundle.inspection import OPERATORS, operators_of
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import open_session
from tenfold.models.layers import LAYERS, Layer, layer_of
from tenfold.models.layers.kernel import Kernel
from tenfold.models.layers.neighbours import Neighbours
from tenfold.models.network import Network, help_text, multiply_adds
from tenfold.plugins.c import PAIRS, CGraph
from tenfold.service.demo import in_browser

SHAPE = (2, 12, 12)
VOTE = {"Cast", "Div", "Softmax", "Add", "Mul", "Log", "Max"}
"""Operators of the graph around the layers; ``Mean`` is in bundles of earlier versions."""
GENERATOR = np.random.default_rng(0)
TOKENS = sorted({word for layer in LAYERS.load().values() for word in re.findall(r"\b[A-Z0-9]+\b", layer.form)})
FITTED = {
    "kernel": Kernel(GENERATOR.random((7, 288), dtype=np.float32)),
    "neighbours": Neighbours(GENERATOR.random((9, 288), np.float32), np.eye(9, 5, dtype=np.float32), 3, 0.01),
}


def owners(token: str) -> list[str]:
    return [name for name, some in LAYERS.load().items() if some.token and re.fullmatch(some.token, token)]


def network_with(token: str) -> nn.Sequential:
    """A small network that holds a token; deterministic weights, batch statistics that are no identity."""
    torch.manual_seed(1)
    if token.startswith("SOFTMAX"):
        layers = "FLAT SOFTMAX"
    elif owners(token) == ["dense"]:
        layers = f"FLAT {token} SOFTMAX"
    else:
        layers = f"4C3 {token} {'' if token in ('FLAT', 'GAP', 'GMP') else 'FLAT'} SOFTMAX"
    network = Network(SHAPE, 5, layers)
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean, module.running_var = torch.rand(4), torch.rand(4) + 0.5
    return network.eval()


CASES = [token for token in TOKENS if not token.startswith("SOFTMAX10") and owners(token)]


def test_every_layer_with_a_token_has_an_example_and_a_builder() -> None:
    for name, some in LAYERS.load().items():
        assert (some.token is None) == (some.build is None) == (some.form == ""), name
        assert not some.form or some.form in help_text()
    assert {owner for token in TOKENS for owner in owners(token)} == {
        n for n, some in LAYERS.load().items() if some.token
    }


@pytest.mark.parametrize("token", [*CASES, "32C3S2VL", "DW5S2", "MP3S2", "128L", "GRADIENTS2", "D5", "SOFTMAX"])
def test_a_token_is_one_layers(token: str) -> None:
    assert len(owners(token)) == 1


@pytest.mark.parametrize("token", CASES)
def test_a_layer_costs_what_torch_counts_and_writes_the_operators_that_it_names(token: str) -> None:
    network = network_with(token)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *SHAPE))
    costs: list[int] = []
    for module in network:
        some = layer_of(module)
        assert some is not None, module
        module.register_forward_hook(
            lambda module, inputs, output, some=some: costs.append(some.cost(module, inputs[0].shape, output.shape))
        )
    network(torch.zeros(1, *SHAPE))
    assert sum(costs) == counter.get_total_flops() // 2 == multiply_adds(network, SHAPE)
    model = export_onnx([network], SHAPE, 5, "mean")
    layers = [layer_of(module) for module in network]
    assert operators_of(model) <= VOTE | {operator for some in layers if some for operator in some.operators}
    images = GENERATOR.integers(0, 256, (3, *SHAPE), np.uint8)
    answers = open_session(model, 1).run(None, {"images": images})[0]
    assert np.abs(answers - torch_probabilities([network], images)).max() < 1e-5


@pytest.mark.parametrize("name", sorted(FITTED))
def test_a_fitted_models_layer_costs_what_torch_counts(name: str) -> None:
    layer = FITTED[name]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = layer(torch.rand(1, 288))
    some = LAYERS[name]
    assert some.cost(layer, torch.Size([1, 288]), output.shape) == counter.get_total_flops() // 2
    model = export_onnx([nn.Sequential(nn.Flatten(), layer)], SHAPE, output.shape[1], "mean")
    assert operators_of(model) <= VOTE | some.operators | {"Flatten"}


def test_a_bundle_may_hold_what_layers_write_and_nothing_else() -> None:
    written = {operator for name, some in LAYERS.load().items() if name in OWN for operator in some.operators}
    assert written | VOTE | {"Mean"} == OPERATORS


OWN = [name for name, some in LAYERS.load().items() if some.emit.__module__.startswith("tenfold.")]


def test_c_and_javascript_know_operators_that_some_layer_writes() -> None:
    written = {operator for some in LAYERS.load().values() for operator in some.operators}
    in_c = {operator for some in LAYERS.load().values() for operator in some.c}
    assert in_c <= written | VOTE
    assert in_browser() <= written | VOTE | {"Mean"}
    assert OPERATORS - in_browser() == {"Gather", "ReduceMin", "TopK"}  # nearest neighbours stay in Python
    assert OPERATORS - in_c - set(PAIRS) - {"Cast", "Flatten", "Log", "Mean", "Reshape"} == {
        "Gather",
        "ReduceMin",
        "TopK",
    }


class Hush(nn.Module):
    """All values halved."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x


HUSH = Layer(
    modules=(Hush,),
    token=r"HUSH",
    form="HUSH",
    build=lambda match, shape, classes: [Hush()],
    emit=lambda layer, graph, x: graph.node("Mul", x, graph.constant("half", 0.5)),
    operators=frozenset({"Mul"}),
)


def test_a_layer_that_a_program_adds_is_a_token_an_onnx_node_and_c(request: pytest.FixtureRequest) -> None:
    LAYERS.add("hush", HUSH)
    request.addfinalizer(lambda: LAYERS.remove("hush"))
    network = Network(SHAPE, 5, "4C3 HUSH FLAT SOFTMAX").eval()
    model = export_onnx([network], SHAPE, 5, "mean")
    images = GENERATOR.integers(0, 256, (3, *SHAPE), np.uint8)
    answers = open_session(model, 1).run(None, {"images": images})[0]
    assert np.abs(answers - torch_probabilities([network], images)).max() < 1e-5
    assert "tenfold_conv" in "\n".join(CGraph(model).steps)
