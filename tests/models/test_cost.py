"""Multiply-adds and parameters, against what one counts by hand."""

from __future__ import annotations

import pytest
import torch

from tenfold.models.network import Network, multiply_adds, parameters

NOTEBOOK = (
    "32C3 BN 32C3 BN 32C5S2 BN D40 64C3 BN 64C3 BN 64C5S2 BN D40 128C3 BN 128C3 BN 128C5S2 BN D40 FLAT 128 BN D40"
    " SOFTMAX10"
)


@pytest.mark.parametrize(
    ("layers", "shape", "expected"),
    [
        ("FLAT SOFTMAX", (1, 28, 28), 784 * 10),
        ("FLAT 200 BN SOFTMAX", (1, 28, 28), 784 * 200 + 200 * 10),
        ("8C3 GAP SOFTMAX", (1, 28, 28), 28 * 28 * 8 * 9 + 8 * 10),
        ("8C3V BN MP2 16C5S2 GAP SOFTMAX", (3, 30, 20), 28 * 18 * 8 * 27 + 7 * 5 * 16 * 8 * 25 + 16 * 10),
        (NOTEBOOK, (1, 28, 28), 45_979_392),
    ],
)
def test_multiply_adds_are_those_of_convolutions_and_dense_layers(
    layers: str, shape: tuple[int, int, int], expected: int
) -> None:
    assert multiply_adds(Network(shape, 10, layers), shape) == expected


def test_counting_leaves_the_network_as_it_was() -> None:
    network = Network((1, 8, 8), 10, "4C3 BN D40 FLAT SOFTMAX")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    multiply_adds(network, (1, 8, 8))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_parameters() -> None:
    assert parameters(Network((1, 8, 8), 10, "4C3 BN FLAT SOFTMAX")) == 4 * 9 + 4 + 4 + 4 + 256 * 10 + 10
