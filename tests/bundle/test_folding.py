from __future__ import annotations

import pytest
import torch
from torch import nn

from _networks import shaken
from tenfold.bundle.folding import BATCH_NORMS, folded

EVERYWHERE_FOLDED = {
    "after a convolution": [nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()],
    "after a dense layer": [nn.Flatten(), nn.Linear(200, 6), nn.BatchNorm1d(6)],
    "before a convolution that does not pad": [nn.ReLU(), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, stride=2)],
    "before a grouped convolution": [nn.BatchNorm2d(2), nn.Conv2d(2, 6, 3, groups=2, bias=False)],
    "before a dense layer": [nn.Flatten(), nn.BatchNorm1d(200), nn.Linear(200, 3)],
    "before flattening": [nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(0.4), nn.Linear(200, 3, bias=False)],
    "before an average pool": [nn.BatchNorm2d(2), nn.AvgPool2d(2), nn.Conv2d(2, 4, 3)],
    "before global pooling": [nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)],
    "without scale and shift": [nn.BatchNorm2d(2, affine=False), nn.Conv2d(2, 4, 3)],
    "nested": [nn.Sequential(nn.Conv2d(2, 6, 3), nn.Sequential(nn.BatchNorm2d(6))), nn.Identity()],
}
KEPT = {
    "before a convolution that pads": [nn.ReLU(), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, padding=1)],
    "before a max-pool, with negative scales": [nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Conv2d(2, 4, 3)],
    "before an average pool that pads": [nn.BatchNorm2d(2), nn.AvgPool2d(2, padding=1), nn.Conv2d(2, 4, 3)],
    "at the end": [nn.ReLU(), nn.BatchNorm2d(2)],
}


def normalised(layers: list[nn.Module]) -> nn.Sequential:
    network = shaken(nn.Sequential(*layers), seed=3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            module.weight.data[0] = -0.7
    return network


def check_equal(network: nn.Sequential) -> list[nn.Module]:
    layers = folded(network)
    x = torch.randn(5, 2, 10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(nn.Sequential(*layers)(x), network.double()(x), rtol=1e-11, atol=1e-11)
    return layers


@pytest.mark.parametrize("name", EVERYWHERE_FOLDED)
def test_folded_exactly(name):
    layers = check_equal(normalised(EVERYWHERE_FOLDED[name]))
    assert not any(isinstance(layer, BATCH_NORMS) for layer in layers)


@pytest.mark.parametrize("name", KEPT)
def test_kept_where_folding_would_not_be_exact(name):
    layers = check_equal(normalised(KEPT[name]))
    assert any(isinstance(layer, BATCH_NORMS) for layer in layers)


def test_passes_a_max_pool_when_no_scale_is_negative():
    network = normalised([nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Conv2d(2, 4, 3)])
    network[0].weight.data.abs_()
    assert not any(isinstance(layer, BATCH_NORMS) for layer in check_equal(network))


def test_the_network_itself_stays_as_it_was():
    network = normalised([nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6)])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded(network)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)


def test_a_batch_norm_without_statistics_is_refused():
    with pytest.raises(ValueError, match="no running statistics"):
        folded(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False), nn.Conv2d(2, 4, 3)))
