"""Muon: orthogonal directions for matrices, AdamW for the rest, and steps of AdamW's size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tenfold.models.network import Network
from tenfold.training.optimisers import build_optimizer
from tenfold.training.optimisers.muon import Muon, orthogonalised
from tenfold.values.recipe import TrainSettings


@pytest.mark.parametrize("shape", [(8, 72), (64, 9), (32, 32), (1, 50)])
def test_singular_values_become_about_one_and_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-3
    result = orthogonalised(matrix)
    assert result.shape == shape
    values = torch.linalg.svdvals(result)
    assert 0.6 < values.min()
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert float((u * (result @ v.T)).sum(0).min()) > 0.6


def test_it_is_jordans_iteration() -> None:
    matrix = torch.randn(12, 40, generator=torch.Generator().manual_seed(2))
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    assert torch.allclose(orthogonalised(matrix), x, atol=1e-4)


def test_no_gradient_no_direction() -> None:
    assert not orthogonalised(torch.zeros(4, 6)).any()


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return Network((1, 8, 8), 10, "8C3 BN DW3L 16C3 FLAT 12 SOFTMAX")


def step(net: nn.Sequential, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The change of every parameter in one step."""
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    torch.manual_seed(4)
    nn.functional.cross_entropy(net(torch.rand(20, 1, 8, 8)), torch.arange(10).repeat(2)).backward()
    optimizer.step()
    return {name: p.detach() - before[name] for name, p in net.named_parameters()}


def test_filters_and_hidden_weights_move_orthogonally_the_rest_as_with_adamw() -> None:
    settings = {"learning_rate": 0.01, "weight_decay": 0.0}
    muon = (net := network(), build_optimizer(net, TrainSettings(optimizer="muon", **settings)))
    adamw = (net := network(), build_optimizer(net, TrainSettings(optimizer="adamw", **settings)))
    ours, adams = step(*muon), step(*adamw)
    orthogonal = {name for name in ours if not torch.allclose(ours[name], adams[name], atol=1e-7)}
    assert orthogonal == {"0.weight", "4.weight", "7.weight"}  # not the depthwise convolution between
    for name in orthogonal:
        values = torch.linalg.svdvals(ours[name].flatten(1)) / 0.01
        largest = 0.2 * max(ours[name].flatten(1).shape) ** 0.5
        assert values.max() < 1.3 * largest
        assert values.min() > 0.6 * largest


def test_weights_decay_and_biases_do_not() -> None:
    net = network()
    optimizer = build_optimizer(net, TrainSettings(optimizer="muon", learning_rate=0.1, weight_decay=0.5))
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer.step()
    for name, p in net.named_parameters():
        assert torch.allclose(p, before[name] * (0.95 if p.ndim > 1 else 1.0)), name


def test_momentum_remembers_earlier_gradients() -> None:
    p = nn.Parameter(torch.zeros(2, 2))
    optimizer = Muon([{"params": [p], "orthogonal": True}], lr=1.0, momentum=0.9)
    for gradient in (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1e-6]])):
        before = p.detach().clone()
        p.grad = gradient
        optimizer.step()
    moved = p.detach() - before
    assert moved[0, 0] < -0.1  # the second gradient has nothing there


def test_a_single_layer_has_nothing_hidden() -> None:
    net = Network((1, 4, 4), 10, "FLAT SOFTMAX")
    optimizer = build_optimizer(net, TrainSettings(optimizer="muon"))
    assert [group["orthogonal"] for group in optimizer.param_groups] == [False, False]
