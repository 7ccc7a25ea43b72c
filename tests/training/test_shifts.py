"""Opinions of shifted images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tenfold.errors import UsageError
from tenfold.training.ensemble import check_recipe
from tenfold.training.loop import predict_proba, predict_shifted
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import EnsembleSettings, parse_recipe


@pytest.mark.parametrize(("shifts", "count"), [(0, 1), (1, 5), (2, 13), (3, 25)])
def test_the_offsets_are_all_those_within_reach(shifts: int, count: int) -> None:
    offsets = EnsembleSettings(shifts=shifts).offsets
    assert len(set(offsets)) == len(offsets) == count
    assert (0, 0) in offsets
    assert {(-down, right) for down, right in offsets} == {(right, down) for down, right in offsets} == set(offsets)
    assert max(down for down, _ in offsets) == shifts


def test_an_offset_moves_the_image_down_and_to_the_right() -> None:
    class Centre(nn.Module):
        """Logits: the pixels, so that the class is where the ink is."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1) * 100

    image = torch.zeros(1, 1, 4, 5, dtype=torch.uint8)
    image[0, 0, 1, 1] = 255
    for down, right in [(0, 0), (2, 1), (-1, 3), (0, -1)]:
        assert int(predict_shifted(Centre(), image, [(down, right)]).argmax()) == (1 + down) * 5 + 1 + right
    outside = predict_shifted(Centre(), image, [(3, 0)])
    assert torch.allclose(outside, torch.tensor(1 / 20))


def test_the_opinion_is_the_mean() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))
    images = torch.randint(0, 256, (10, 1, 8, 8), dtype=torch.uint8)
    right = torch.zeros_like(images)
    right[..., 1:] = images[..., :-1]
    expected = (predict_proba(network, images) + predict_proba(network, right)) / 2
    assert torch.allclose(predict_shifted(network, images, [(0, 0), (0, 1)]), expected, atol=1e-6)
    assert torch.equal(predict_shifted(network, images, [(0, 0)]), predict_proba(network, images))


def test_shifts_out_of_sight_are_refused() -> None:
    import numpy as np

    data = Dataset(np.zeros((4, 1, 3, 9), np.uint8), np.array([0, 1, 0, 1]), np.arange(4), ("a", "b"))
    with pytest.raises(UsageError, match=r"ensemble\.shifts = 3 moves images of .* out of sight"):
        check_recipe(parse_recipe('[model]\nlayers = "FLAT SOFTMAX"\n[ensemble]\nshifts = 3\n'), data)
