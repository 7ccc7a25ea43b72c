"""Every method beside captum's, and networks that are left as they were."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from torch import nn

from tenfold.evaluation.attribution import (
    activations,
    captured,
    coarse_grad_cam,
    evaluating,
    explain_image,
    first_filters,
    grad_cam,
    integrated_gradients,
    layers_of,
    occlusion,
)
from tenfold.models.network import parse

CONVOLUTIONAL = "CROP2 8C5 BN MP2 12C3V ELU D20 FLAT 16 SOFTMAX"
DENSE = "FLAT 16 BN RELU SOFTMAX"


def network(layers: str = CONVOLUTIONAL, shape: tuple[int, int, int] = (1, 20, 24)) -> nn.Module:
    torch.manual_seed(0)
    made = parse(layers, shape, 5)
    for module in made:
        if hasattr(module, "running_mean"):
            module.running_mean.uniform_(-0.1, 0.1)
    return made.eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layers", [CONVOLUTIONAL, DENSE])
def test_integrated_gradients_are_captums(layers: str, image: torch.Tensor) -> None:
    net = network(layers)
    expected = IntegratedGradients(net).attribute(image, target=3, n_steps=50)[0].detach().numpy()
    found = integrated_gradients(net, image, 3)
    assert found == pytest.approx(expected, abs=1e-6)
    with torch.no_grad():
        difference = float(net(image)[0, 3] - net(torch.zeros_like(image))[0, 3])
    assert found.sum() == pytest.approx(difference, abs=0.02)


def test_grad_cam_is_captums(image: torch.Tensor) -> None:
    net = network()
    expected = LayerGradCam(net, net[7]).attribute(image, target=3, relu_attributions=True)
    found = coarse_grad_cam(net, image, 3)
    assert expected.max() > 0
    assert torch.allclose(found, expected.detach(), atol=1e-7)


def test_grad_cam_lies_where_the_maps_were_cut_from(image: torch.Tensor) -> None:
    found = grad_cam(network(), image, 3)
    assert found is not None
    assert found.shape == (20, 24)
    assert not found[:2].any()
    assert not found[:, -2:].any()
    assert found[2:-2, 2:-2].any()


@pytest.mark.parametrize(("window", "stride"), [(5, 1), (4, 4)])
def test_occlusion_is_captums(image: torch.Tensor, window: int, stride: int) -> None:
    net = network()
    with torch.no_grad():
        expected = Occlusion(net).attribute(
            image, target=3, sliding_window_shapes=(1, window, window), strides=(1, stride, stride)
        )
    assert occlusion(net, image, 3, window, stride) == pytest.approx(expected[0, 0].numpy(), abs=1e-5)


def test_a_window_larger_than_the_image_covers_it_all() -> None:
    net, small = network("FLAT SOFTMAX", (1, 3, 3)), torch.rand(1, 1, 3, 3)
    found = occlusion(net, small, 0)
    with torch.no_grad():
        assert found == pytest.approx(
            np.full((3, 3), float(net(small)[0, 0] - net(torch.zeros_like(small))[0, 0])), abs=1e-6
        )


def test_activations_are_what_each_layer_puts_out(image: torch.Tensor) -> None:
    net = network()
    found = activations(net, image)
    assert [(layer.name, layer.values.shape) for layer in found] == [
        ("1 Crop", (1, 16, 20)),
        ("2 Conv2d", (8, 16, 20)),
        ("3 ReLU", (8, 16, 20)),
        ("4 BatchNorm2d", (8, 16, 20)),
        ("5 MaxPool2d", (8, 8, 10)),
        ("6 Conv2d", (12, 6, 8)),
        ("7 ReLU", (12, 6, 8)),
        ("8 ELU", (12, 6, 8)),
        ("11 Linear", (16,)),
        ("12 ReLU", (16,)),
        ("13 Output", (5,)),
    ]
    with torch.no_grad():
        assert found[4].values == pytest.approx(net[:5](image)[0].numpy())
    assert (first_filters(net).shape, first_filters(network(DENSE))) == ((8, 1, 5, 5), None)


def test_dense_networks_have_no_maps_to_look_at(image: torch.Tensor) -> None:
    assert grad_cam(network(DENSE), image, 0) is None
    assert explain_image(network(DENSE), np.zeros((1, 20, 24), np.uint8), 7).attributions[0].grad_cam is None


METHODS: list[Callable[[nn.Module, torch.Tensor], object]] = [
    activations,
    lambda net, image: grad_cam(net, image, 1),
    lambda net, image: integrated_gradients(net, image, 1),
    lambda net, image: occlusion(net, image, 1),
]


@pytest.mark.parametrize("method", METHODS, ids=["activations", "grad-cam", "integrated", "occlusion"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_network_is_left_as_it_was_even_after_an_error(
    method: Callable[[nn.Module, torch.Tensor], object], fails: bool, image: torch.Tensor
) -> None:
    net = network().train()
    net[3].eval()
    net[1].weight.requires_grad_(False)
    state = [(m.training, len(m._forward_hooks)) for m in net.modules()], [p.requires_grad for p in net.parameters()]
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    if fails:
        with pytest.raises(RuntimeError):
            method(net, torch.rand(1, 3, 20, 24))
    else:
        method(net, image)
    assert state == (
        [(m.training, len(m._forward_hooks)) for m in net.modules()],
        [p.requires_grad for p in net.parameters()],
    )
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_hooks_are_gone_after_an_error_between_them() -> None:
    net = network()
    layers = layers_of(net)
    with pytest.raises(ZeroDivisionError), evaluating(net), captured(layers):
        _ = 1 / 0
    assert not any(module._forward_hooks for module in net.modules())
    with pytest.raises(AttributeError), captured({**layers, "last": None}):  # type: ignore[dict-item]
        pass
    assert not any(module._forward_hooks for module in net.modules())


def test_a_mistake_is_explained_for_both_classes() -> None:
    net = network()
    image = (np.random.default_rng(0).random((1, 20, 24)) * 255).astype(np.uint8)
    found = explain_image(net, image, 3201, None)
    wrong = (found.predicted + 1) % 5
    assert [a.target for a in found.attributions] == [found.predicted]
    assert [a.target for a in explain_image(net, image, 1, wrong).attributions] == [found.predicted, wrong]
    assert explain_image(net, image, 1, found.predicted, with_maps=False).maps == ()
    assert found.probabilities.sum() == pytest.approx(1)
