"""Random erasing: rectangles of the size, shape and frequency asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tenfold.augmentation import build
from tenfold.augmentation.erase import Erase
from tenfold.errors import UsageError
from tenfold.values.recipe import AugmentSettings


def erased(count: int = 2000, size: tuple[int, int] = (28, 28), **settings: Any) -> torch.Tensor:
    """(B, H, W): where pixels were changed."""
    images = torch.full((count, 1, *size), 2.0)  # no fill is 2
    out = Erase(**settings)(images, torch.Generator().manual_seed(5))
    return (out != 2.0).squeeze(1)


def extents(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Height and width of the box around what is set, (B,) each."""
    return mask.any(2).sum(1), mask.any(1).sum(1)


def test_the_share_of_images_is_the_probability() -> None:
    assert float(erased(probability=0.3).any(2).any(1).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert erased(probability=1.0).any(2).any(1).all()
    assert not erased(probability=0.0).any()


@pytest.mark.parametrize("size", [(28, 28), (20, 45)])
def test_one_full_rectangle_within_the_bounds_of_area_and_aspect(size: tuple[int, int]) -> None:
    mask = erased(size=size, probability=1, smallest=0.1, largest=0.25, aspect=0.5)
    height, width = extents(mask)
    area = mask.sum(dim=(1, 2))
    assert torch.equal(area, height * width)
    share = area / (size[0] * size[1])
    assert 0.08 < share.min() < 0.115
    assert 0.23 < share.max() < 0.27
    ratio = height / width
    assert 0.43 < ratio.min() < 0.6
    assert 1.7 < ratio.max() < 2.3
    assert float(ratio.log().mean()) == pytest.approx(0, abs=0.05)


def test_rectangles_lie_anywhere() -> None:
    often = erased(count=4000, probability=1).float().mean(0)
    assert often.min() > 0
    for mirrored in (often.flip(0), often.flip(1), often.T):  # no side is preferred
        assert torch.allclose(often, mirrored, atol=0.05)


def test_a_square_of_fixed_size() -> None:
    height, width = extents(erased(probability=1, smallest=0.25, largest=0.25, aspect=1))
    assert set(height.tolist()) == set(width.tolist()) == {14}


def test_the_whole_image_may_go() -> None:
    assert erased(count=5, probability=1, smallest=1, largest=1, aspect=1).all()


def test_black_and_noise() -> None:
    ones, all_of_it = torch.ones(3, 2, 8, 8), {"probability": 1, "smallest": 1, "largest": 1, "aspect": 1}
    assert not Erase(**all_of_it, fill="black")(ones, torch.Generator()).any()
    noise = Erase(**all_of_it, fill="noise")(ones, torch.Generator().manual_seed(0))
    assert len(noise.unique()) > 300
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probability": 1.5}, r"probability must be in 0\.\.1"),
        ({"smallest": 0.3, "largest": 0.2}, "in this order"),
        ({"aspect": 0}, "aspect must be above 0"),
        ({"fill": "white"}, "black or noise"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build([AugmentSettings.model_validate({"kind": "erase", **settings})])
