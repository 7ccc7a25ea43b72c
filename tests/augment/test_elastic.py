"""Elastic distortion: as strong and as smooth as its two numbers say."""

from __future__ import annotations

import math

import pytest
import torch

from tenfold.augmentation import build
from tenfold.augmentation.elastic import Elastic
from tenfold.errors import UsageError
from tenfold.values.recipe import AugmentSettings

HEIGHT, WIDTH = 24, 40


def displacement(count: int = 600, **settings: float) -> torch.Tensor:
    """(B, 2, H, W) from where each pixel was fetched, in pixels (x, y), read off images that hold their own
    coordinates.
    """
    # far from the border only: what comes from outside is 0. Levels above 1 are no problem here
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    ramps = torch.stack([x, y]).float()
    out = Elastic(**settings)(ramps.expand(count, 2, HEIGHT, WIDTH).contiguous(), torch.Generator().manual_seed(3))
    return (out - ramps)[:, :, 7:-7, 7:-7]


def test_without_strength_nothing_changes() -> None:
    images = torch.rand(3, 1, 9, 12)
    assert torch.allclose(Elastic(alpha=0)(images, torch.Generator()), images, atol=1e-5)


@pytest.mark.parametrize(("alpha", "sigma"), [(34, 4), (8, 2)])
def test_a_pixel_moves_as_far_as_the_smoothed_noise_would(alpha: float, sigma: float) -> None:
    moved = displacement(alpha=alpha, sigma=sigma)
    expected = alpha / (2 * sigma * math.sqrt(3 * math.pi))
    for axis in range(2):
        assert float(moved[:, axis].std()) == pytest.approx(expected, rel=0.05)
        assert abs(float(moved[:, axis].mean())) < 0.15 * expected


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_neighbours_move_together_as_the_gaussian_says(sigma: float) -> None:
    moved = displacement(alpha=2 * sigma, sigma=sigma)
    for lag in (1, 4):
        for other in (moved[:, :, lag:, :] * moved[:, :, :-lag, :], moved[..., lag:] * moved[..., :-lag]):
            assert float(other.mean() / moved.var()) == pytest.approx(math.exp(-(lag**2) / (4 * sigma**2)), abs=0.06)


def test_both_axes_and_all_images_move_on_their_own() -> None:
    moved = displacement()
    x, y = moved[:, 0].flatten(), moved[:, 1].flatten()
    assert abs(float(torch.corrcoef(torch.stack([x, y]))[0, 1])) < 0.1
    assert len({image.numpy().tobytes() for image in moved}) == len(moved)


def test_it_equals_smoothed_noise_in_distribution() -> None:
    """The paper's way, with noise and a Gaussian of its own, moves pixels by as much."""
    sigma, alpha, reach = 3.0, 20.0, 12
    taps = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = taps[:, None] * taps / (taps.sum() ** 2)
    noise = torch.rand(300, 1, 60, 60, generator=torch.Generator().manual_seed(0)) * 2 - 1
    smoothed = alpha * torch.nn.functional.conv2d(noise, kernel[None, None])
    assert float(displacement(alpha=alpha, sigma=sigma).std()) == pytest.approx(float(smoothed.std()), rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"alpha": -1}, "alpha must not be negative"), ({"sigma": 0.1}, "sigma must be at least 0.5")],
)
def test_wrong_settings_are_explained(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build([AugmentSettings.model_validate({"kind": "elastic", **settings})])
