"""The layer notation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from _networks import torch_probabilities
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import open_session
from tenfold.errors import UsageError
from tenfold.models import build
from tenfold.models.network import parse
from tenfold.values.recipe import ModelSettings

DIGIT = (1, 28, 28)


def kinds(network: nn.Sequential) -> list[str]:
    return [type(module).__name__.lstrip("_") for module in network]


def test_every_token_becomes_its_layer() -> None:
    network = parse("8C3S2VL BN RELU 8C3 ELU MP2 AP2 LRELU SILU FLAT 16L BN D40 12 SOFTMAX10", DIGIT, 10)
    assert kinds(network) == [
        *("Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "ReLU", "ELU", "MaxPool2d", "AvgPool2d", "LeakyReLU", "SiLU"),
        *("Flatten", "Linear", "BatchNorm1d", "Dropout", "Linear", "ReLU", "Output"),
    ]
    assert network(torch.zeros(2, *DIGIT)).shape == (2, 10)


@pytest.mark.parametrize(
    ("layers", "size"),
    [("8C3", 28), ("8C3V", 26), ("8C5S2", 14), ("8C5S2V", 12), ("8C4", 29), ("MP2", 14), ("MP2S1", 27), ("AP3", 9)],
)
def test_sizes_follow_padding_and_stride(layers: str, size: int) -> None:
    shapes = []
    network = parse(f"{layers} FLAT SOFTMAX", DIGIT, 3)
    network[-2].register_forward_hook(lambda module, inputs, output: shapes.append(tuple(inputs[0].shape[2:])))
    network(torch.zeros(1, *DIGIT))
    assert shapes == [(size, size)]


def test_a_depthwise_convolution_has_one_filter_a_channel() -> None:
    network = parse("6C3V BN DW3VL 10C1 BN DW5S2 BN FLAT SOFTMAX", DIGIT, 3).eval()
    assert kinds(network)[:7] == ["Conv2d", "ReLU", "BatchNorm2d", "Conv2d", "Conv2d", "ReLU", "BatchNorm2d"]
    assert [tuple(m.weight.shape) for m in network if isinstance(m, nn.Conv2d)] == [
        *((6, 1, 3, 3), (6, 1, 3, 3), (10, 6, 1, 1), (10, 1, 5, 5)),
    ]
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (5, 1, 28, 28), np.uint8)
    session = open_session(export_onnx([network], DIGIT, 3, "mean"), 1)
    assert np.abs(session.run(None, {"images": images})[0] - torch_probabilities([network], images)).max() < 1e-5


def test_images_can_be_set_upright_first() -> None:
    network = parse("DESKEW CROP2 FLAT SOFTMAX", (1, 12, 9), 3)
    assert kinds(network) == ["Deskew", "Crop", "Flatten", "Output"]
    assert network(torch.rand(2, 1, 12, 9)).shape == (2, 3)


def test_gradients_are_features_that_a_network_can_begin_with() -> None:
    network = parse("DESKEW GRADIENTS FLAT BN 16 SOFTMAX", (1, 28, 28), 3).eval()
    assert kinds(network)[:2] == ["Deskew", "Gradients"]
    assert network[3].num_features == 8 * 7 * 7
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (5, 1, 28, 28), np.uint8)
    session = open_session(export_onnx([network], (1, 28, 28), 3, "mean"), 1)
    assert np.abs(session.run(None, {"images": images})[0] - torch_probabilities([network], images)).max() < 1e-5


@pytest.mark.parametrize(
    ("token", "size", "sigma"),
    [("GRADIENTS", 7, 2), ("GRADIENTS4", 7, 2), ("GRADIENTS2", 14, 1), ("GRADIENTS1", 28, 0.5)],
)
def test_gradients_can_stand_closer_so_that_convolutions_follow(token: str, size: int, sigma: float) -> None:
    network = parse(f"{token} 8C3 FLAT SOFTMAX", DIGIT, 3).eval()
    assert network[0].sigma == sigma
    assert network[0](torch.rand(2, *DIGIT)).shape == (2, 8, size, size)
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (5, 1, 28, 28), np.uint8)
    session = open_session(export_onnx([network], DIGIT, 3, "mean"), 1)
    assert np.abs(session.run(None, {"images": images})[0] - torch_probabilities([network], images)).max() < 1e-5


@pytest.mark.parametrize("pool", ["GAP", "GMP"])
def test_global_pools_flatten(pool: str) -> None:
    assert parse(f"8C3 {pool} SOFTMAX", (3, 9, 7), 4)(torch.zeros(2, 3, 9, 7)).shape == (2, 4)


def test_the_notebooks_cnn_has_its_number_of_parameters() -> None:
    layers = (
        "32C3 BN 32C3 BN 32C5S2 BN D40 64C3 BN 64C3 BN 64C5S2 BN D40 128C3 BN 128C3 BN 128C5S2 BN D40 "
        "FLAT 128L BN RELU D40 SOFTMAX10"
    )
    network = parse(layers, DIGIT, 10)
    running = sum(buffer.numel() for name, buffer in network.named_buffers() if "running" in name)
    assert sum(p.numel() for p in network.parameters()) + running == 1_091_018  # Keras counts running statistics too


@pytest.mark.parametrize(
    ("layers", "word", "reason"),
    [
        ("32C3 BM FLAT SOFTMAX", "BM", "is not a layer"),
        ("32C3 SOFTMAX", "SOFTMAX", "needs a flat input"),
        ("FLAT 32C3 SOFTMAX", "32C3", "flat already"),
        ("MP2 MP2 MP2 MP2 MP2 FLAT SOFTMAX", "MP2", "image is only 1x1"),
        ("32C29V FLAT SOFTMAX", "32C29V", "29x29 kernel"),
        ("FLAT SOFTMAX10 D40", "D40", "must be the last"),
        ("FLAT SOFTMAX9", "SOFTMAX9", "has 9 outputs, but the data has 10"),
        ("CROP9 CROP5 FLAT SOFTMAX", "CROP5", "image is only 10x10"),
        ("FLAT CROP2 SOFTMAX", "CROP2", "flat already"),
        ("0C3 FLAT SOFTMAX", "0C3", "is not a layer"),
    ],
)
def test_an_error_points_at_the_token(layers: str, word: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        parse(layers, DIGIT, 10)
    message, line, pointer = str(caught.value).splitlines()
    assert message.startswith(repr(word))
    assert line[pointer.index("^") : pointer.rindex("^") + 1] == word


@pytest.mark.parametrize(("layers", "message"), [("", "empty"), ("32C3 FLAT", "last token must be SOFTMAX")])
def test_a_net_without_an_end_is_refused(layers: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(layers, DIGIT, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": "FLAT SOFTMAX", "layer": 3}, "no key 'layer'; allowed: layers, init"),
        ({}, "needs the key 'layers'"),
        ({"kind": "netwrok"}, "unknown model 'netwrok'; expected one of: knn, linear, network"),
        ({"layers": "FLAT SOFTMAX", "init": "zeros"}, "expected one of: torch, he-normal, he-uniform, glorot-uniform"),
        ({"layers": "FLAT SOFTMAX", "bn_momentum": 0}, "bn_momentum = 0; expected a number above 0"),
        ({"layers": "FLAT SOFTMAX", "bn_eps": "small"}, "bn_eps = 'small'; expected a number above 0"),
    ],
)
def test_a_wrong_model_table_is_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(ModelSettings.model_validate(settings), DIGIT, 10)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("he-normal", (2 / 784) ** 0.5), ("he-uniform", (2 / 784) ** 0.5), ("glorot-uniform", (2 / (784 + 500)) ** 0.5)],
)
def test_initial_weights_have_the_deviation_of_their_paper(init: str, deviation: float) -> None:
    torch.manual_seed(0)
    network = build(ModelSettings.model_validate({"layers": "FLAT 500 SOFTMAX", "init": init}), DIGIT, 10)
    dense = network[1]
    assert float(dense.weight.detach().std()) == pytest.approx(deviation, rel=0.01)
    assert not dense.bias.any()


def test_hidden_dense_layers_may_begin_otherwise() -> None:
    torch.manual_seed(0)
    layers = {"layers": "16C5 FLAT 400 SOFTMAX", "init": "glorot-uniform", "dense_init": "he-normal"}
    convolution, _, _, hidden, _, output = build(ModelSettings.model_validate(layers), DIGIT, 10)
    deviations = [float(m.weight.detach().std()) for m in (convolution, hidden, output)]
    expected = [(2 / (25 * 17)) ** 0.5, (2 / 12544) ** 0.5, (2 / 410) ** 0.5]
    assert deviations == pytest.approx(expected, rel=0.05)
    with pytest.raises(UsageError, match="model dense_init = 'zeros'; expected one of"):
        build(ModelSettings.model_validate(layers | {"dense_init": "zeros"}), DIGIT, 10)


def test_batch_norms_take_their_two_numbers() -> None:
    settings = {"layers": "8C3 BN FLAT 8 BN SOFTMAX", "bn_momentum": 0.01, "bn_eps": 0.001}
    norms = [m for m in build(ModelSettings.model_validate(settings), DIGIT, 10) if hasattr(m, "running_mean")]
    assert [(m.momentum, m.eps) for m in norms] == [(0.01, 0.001)] * 2


def test_a_crop_takes_the_border_away() -> None:
    images = torch.rand(2, 3, 9, 12)
    cut = parse("CROP2 FLAT SOFTMAX", (3, 9, 12), 10)
    assert torch.equal(cut[0](images), images[:, :, 2:7, 2:10])
    assert cut(images).shape == (2, 10)
