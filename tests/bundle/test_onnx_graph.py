from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from _networks import random_images, shaken, small_network, torch_probabilities
from tenfold.bundle import onnx_graph
from tenfold.bundle.inspection import OPERATORS
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.errors import IntegrityError, ResourceError
from tenfold.models.layers import LAYERS as REGISTERED
from tenfold.models.layers import Layer, OnnxGraph
from tenfold.models.layers.shape import Crop
from tenfold.models.network import parse


def run_onnx(model: bytes, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


def head(channels: int, size: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(channels * size * size, 5)]


LAYERS = {
    "conv-same": [nn.Conv2d(3, 4, 3, padding=1), *head(4, 8)],
    "conv-stride-dilation": [nn.Conv2d(3, 4, 3, stride=2, dilation=2, bias=False), *head(4, 2)],
    "conv-groups": [nn.Conv2d(3, 6, (3, 1), padding=(1, 0), groups=3), *head(6, 8)],
    "batch-norm-kept": [nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1), *head(4, 8)],
    "batch-norm-kept-plain": [nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 4, 3, padding=1), *head(4, 8)],
    "batch-norm-flat": [nn.Flatten(), nn.BatchNorm1d(192), nn.ReLU(), nn.Linear(192, 5)],
    "elu": [nn.Conv2d(3, 4, 3), nn.ELU(0.7), *head(4, 6)],
    "leaky-relu": [nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), *head(4, 6)],
    "silu": [nn.Conv2d(3, 4, 3), nn.SiLU(), *head(4, 6)],
    "max-pool": [nn.MaxPool2d(3, stride=2, padding=1), *head(3, 4)],
    "average-pool": [nn.AvgPool2d(3, stride=2, padding=1), *head(3, 4)],
    "average-pool-without-border": [nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), *head(3, 4)],
    "crop": [Crop(3, 1), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Crop(4, 1), *head(4, 2)],
    "global-average": [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)],
    "global-max": [nn.Sequential(nn.AdaptiveMaxPool2d((1, 1)), nn.Flatten()), nn.Dropout(0.5), nn.Linear(3, 5)],
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_says_what_torch_says(name):
    network = shaken(nn.Sequential(*LAYERS[name]))
    images = random_images(channels=3)
    model = export_onnx([network], (3, 8, 8), 5, "mean")
    np.testing.assert_allclose(run_onnx(model, images), torch_probabilities([network], images), atol=2e-6)


def test_m11_the_checker_is_content_and_versions_are_stated():
    model = onnx.load_from_string(export_onnx([small_network()], (1, 8, 8), 10, "mean"))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert {node.op_type for node in model.graph.node} <= OPERATORS
    assert len({node.op_type for node in model.graph.node}) > 5


@pytest.mark.parametrize(("bits", "share", "off"), [(16, 0.7, 5e-3), (8, 0.5, 5e-2)])
def test_weights_of_fewer_bits_take_fewer_bytes_and_say_nearly_the_same(bits, share, off):
    network = shaken(nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), *head(32, 6)))
    images = random_images(channels=3)
    full, small = (export_onnx([network], (3, 8, 8), 5, "mean", bits=each) for each in (32, bits))
    assert len(small) < share * len(full)
    assert {"Cast"} <= {node.op_type for node in onnx.load_from_string(small).graph.node} <= OPERATORS
    difference = abs(run_onnx(small, images) - run_onnx(full, images)).max()
    assert 0 < difference < off


@pytest.mark.parametrize("bits", [16, 8])
def test_a_network_that_is_there_twice_has_its_weights_once(bits):
    network = shaken(nn.Sequential(nn.Flatten(), nn.Linear(3, 5)))
    models = [export_onnx([network] * count, (3, 1, 1), 5, "mean", bits=bits) for count in (1, 2)]
    once, twice = (onnx.load_from_string(model).graph for model in models)
    assert len(twice.initializer) == len(once.initializer) + 1  # the share of each in the mean
    assert [sum(node.op_type == "Cast" for node in graph.node) for graph in (once, twice)] == [
        2,
        2,
    ]  # the images' and one


@pytest.mark.parametrize(("bits", "weight"), [(16, 1e6), (8, float("nan")), (8, float("inf"))])
def test_a_weight_beyond_its_bits_is_refused(bits, weight):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 5))
    nn.init.constant_(network[1].weight, weight)
    with pytest.raises(IntegrityError, match="infinity"):
        export_onnx([network], (3, 1, 1), 5, "mean", bits=bits)


def test_a_filter_of_zeros_stays_one_in_8_bits():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 5))
    nn.init.zeros_(network[1].weight)
    said = run_onnx(export_onnx([network], (3, 1, 1), 5, "mean", bits=8), random_images(channels=3)[:, :, :1, :1])
    assert np.isfinite(said).all()


def test_inputs_with_small_weights_are_rounded_no_coarser_than_others():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))  # as behind a batch norm that was folded in
    weight = network[1].weight.detach() * torch.logspace(-3, 1, 12)
    network[1].weight = nn.Parameter(weight)
    graph = onnx.load_from_string(export_onnx([network], (3, 2, 2), 5, "mean", bits=8)).graph
    stored = {tensor.name.split("_", 2)[-1]: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    error = stored["weight"].astype(np.float32) * stored["scale"] * stored["input_scale"] - weight.numpy()
    assert (np.abs(error).max(axis=0) < 0.01 * np.abs(weight.numpy()).max(axis=0)).all()


@pytest.mark.parametrize("bits", [32, 16, 8])
def test_narrow_readers_find_kernel_shapes_names_without_dots_and_no_mean(bits):
    members = [shaken(parse("DESKEW GRADIENTS2 CROP1 4C3V BN DW3 GAP SOFTMAX", (1, 12, 12), 5), n) for n in range(2)]
    graph = onnx.load_from_string(export_onnx(members, (1, 12, 12), 5, "mean", [(0, 0), (1, 0)], bits=bits)).graph
    filters = [node for node in graph.node if node.op_type == "Conv"]
    assert len(filters) > 5
    assert all("kernel_shape" in {attribute.name for attribute in node.attribute} for node in filters)
    assert "Mean" not in {node.op_type for node in graph.node}
    names = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    assert not [name for name in names if "." in name]


def test_the_same_members_give_the_same_bytes():
    first, second = (export_onnx([small_network(1), small_network(2)], (1, 8, 8), 10, "mean") for _ in range(2))
    assert first == second
    assert first != export_onnx([small_network(2), small_network(1)], (1, 8, 8), 10, "mean")


def test_mean_is_the_mean_of_the_probabilities():
    members = [small_network(seed) for seed in range(3)]
    images = random_images()
    model = export_onnx(iter(members), (1, 8, 8), 10, "mean")
    np.testing.assert_allclose(run_onnx(model, images), torch_probabilities(members, images), atol=2e-6)


def test_log_mean_is_the_normalised_geometric_mean_without_vetoes():
    members = [small_network(seed) for seed in range(3)]
    for member in members:
        member[-1].weight.data *= 8
    images = random_images()
    singles = np.stack([torch_probabilities([m], images) for m in members]).astype(np.float64)
    assert singles.min() < 1e-12, "the case needs a member that is as good as certain"
    geometric = np.exp(np.log(np.maximum(singles, 1e-12)).mean(axis=0))
    expected = geometric / geometric.sum(axis=1, keepdims=True)
    model = export_onnx(members, (1, 8, 8), 10, "log-mean")
    np.testing.assert_allclose(run_onnx(model, images), expected, atol=1e-5)


def test_members_are_taken_one_by_one():
    alive = []

    def members():
        for seed in range(3):
            alive.append(len(onnx_graphs_seen))
            yield small_network(seed)

    onnx_graphs_seen: list[str] = []
    original = onnx_graph.Graph.chain

    def spy(graph, network, x):
        onnx_graphs_seen.append(x)
        return original(graph, network, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_graph.Graph, "chain", spy)
        export_onnx(members(), (1, 8, 8), 10, "mean")
    assert alive == [0, 1, 2]


def test_m05_m12_weights_that_are_not_finite_are_refused_with_member_and_tensor():
    broken = small_network(1)
    broken[0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(IntegrityError, match=r"member01_\d+_weight holds NaN"):
        export_onnx([small_network(0), broken], (1, 8, 8), 10, "mean")


def test_an_ensemble_too_large_for_one_file_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_graph, "LARGEST", 5_000)
    with pytest.raises(ResourceError, match=r"more than 5,000 bytes"):
        export_onnx([small_network(seed) for seed in range(3)], (1, 8, 8), 10, "mean")


class Doubled(nn.Module):
    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def test_a_block_is_one_more_layer(request):
    block = Doubled(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)))
    network = shaken(nn.Sequential(block, *head(1, 8)))
    with pytest.raises(TypeError, match="cannot export the layer Doubled"):
        export_onnx([network], (1, 8, 8), 5, "mean")

    def emit(layer: Doubled, graph: OnnxGraph, x: str) -> str:
        return graph.node("Add", x, graph.chain(layer.body, x))

    REGISTERED.add("doubled", Layer((Doubled,), emit))
    request.addfinalizer(lambda: REGISTERED.remove("doubled"))
    images = random_images()
    model = export_onnx([network], (1, 8, 8), 5, "mean")
    np.testing.assert_allclose(run_onnx(model, images), torch_probabilities([network], images), atol=2e-6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.MaxPool2d(3, ceil_mode=True),
        nn.AvgPool2d(2, divisor_override=3),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_setting_without_a_faithful_translation_is_refused(layer):
    with pytest.raises(TypeError, match=f"cannot export a {type(layer).__name__} with"):
        export_onnx([nn.Sequential(layer)], (1, 8, 8), 10, "mean")


def test_no_members_is_a_mistake():
    with pytest.raises(ValueError, match="at least one member"):
        export_onnx([], (1, 8, 8), 10, "mean")


def test_shifts_give_the_mean_opinion_of_the_shifted_images():
    members, images = [small_network(seed) for seed in range(2)], random_images()
    offsets = [(0, 0), (1, 0), (0, -1), (-2, 1)]
    moved = [np.zeros_like(images) for _ in offsets]
    moved[0][:] = images
    moved[1][:, :, 1:] = images[:, :, :-1]
    moved[2][..., :-1] = images[..., 1:]
    moved[3][:, :, :-2, 1:] = images[:, :, 2:, :-1]
    model = export_onnx(members, (1, 8, 8), 10, "mean", offsets)
    expected = np.mean([torch_probabilities(members, each) for each in moved], axis=0)
    np.testing.assert_allclose(run_onnx(model, images), expected, atol=2e-6)


def test_shifts_of_colour_images_in_a_log_mean():
    network = shaken(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head(4, 6)))
    images = random_images(channels=3)
    moved = np.zeros_like(images)
    moved[:, :, :-1] = images[:, :, 1:]
    opinion = (torch_probabilities([network], images) + torch_probabilities([network], moved)) / 2
    model = export_onnx([network], (3, 8, 8), 5, "log-mean", [(0, 0), (-1, 0)])
    np.testing.assert_allclose(run_onnx(model, images), opinion, atol=2e-6)


def test_shifts_do_not_store_the_weights_again():
    plain, shifted = (
        export_onnx([small_network()], (1, 8, 8), 10, "mean", offsets) for offsets in ([(0, 0)], [(0, 0), (0, 1)])
    )
    weights = [sum(np.prod(i.dims) for i in onnx.load_from_string(m).graph.initializer) for m in (plain, shifted)]
    assert weights[1] == weights[0] + 9 + 1  # the filter that moves an image, and the share of each in the mean
