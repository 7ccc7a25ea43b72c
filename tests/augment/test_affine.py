"""Affine augmentation: each parameter does what its name says, by the amount it says."""

from __future__ import annotations

import pytest
import torch

from tenfold.augmentation import build
from tenfold.augmentation.affine import Affine
from tenfold.errors import UsageError
from tenfold.values.recipe import AugmentSettings


def spot(row: int, column: int, size: tuple[int, int] = (29, 29), count: int = 400) -> torch.Tensor:
    """Images with a soft dot at (row, column)."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    dot = torch.exp(-((y - row) ** 2 + (x - column) ** 2) / 4.0)
    return dot.expand(count, 1, *size).contiguous()


def centre(images: torch.Tensor) -> torch.Tensor:
    """(B, 2) centre of mass as (row, column)."""
    height, width = images.shape[2:]
    mass = images.sum(dim=(1, 2, 3))
    rows = (images.sum(3).squeeze(1) * torch.arange(height)).sum(1) / mass
    columns = (images.sum(2).squeeze(1) * torch.arange(width)).sum(1) / mass
    return torch.stack([rows, columns], 1)


def moved(augmentation: Affine, images: torch.Tensor) -> torch.Tensor:
    return centre(augmentation(images, torch.Generator().manual_seed(7)))


def test_nothing_asked_nothing_changed() -> None:
    images = torch.rand(5, 3, 12, 10)
    assert torch.allclose(Affine()(images, torch.Generator()), images, atol=1e-5)


@pytest.mark.parametrize("size", [(29, 29), (29, 41)])
def test_shift_is_in_pixels_in_both_directions(size: tuple[int, int]) -> None:
    offset = moved(Affine(shift=3), spot(14, size[1] // 2, size)) - torch.tensor([14.0, size[1] // 2])
    assert offset.abs().max() < 3.1
    assert offset.abs().amax(0).min() > 2.8  # with 400 draws both axes come close to the bound


@pytest.mark.parametrize("size", [(29, 29), (29, 41)])
def test_rotation_keeps_the_distance_and_stays_within_its_degrees(size: tuple[int, int]) -> None:
    middle = torch.tensor([14.0, size[1] // 2])
    arm = moved(Affine(rotation=20), spot(14, size[1] // 2 + 10, size)) - middle
    assert torch.allclose(arm.norm(dim=1), torch.tensor(10.0), atol=0.15)
    degrees = torch.rad2deg(torch.atan2(arm[:, 0], arm[:, 1]))
    assert degrees.abs().max() < 20.6
    assert degrees.max() > 18
    assert degrees.min() < -18


def test_zoom_moves_outwards_and_inwards_about_the_centre() -> None:
    arm = (moved(Affine(zoom=0.2), spot(14, 22)) - 14)[:, 1] / 8
    assert arm.max() < 1.22
    assert arm.max() > 1.17
    assert arm.min() > 0.78
    assert arm.min() < 0.83


def test_the_notebooks_zoom_is_off_centre() -> None:
    arm = (moved(Affine(zoom_centre=1.1), spot(14, 22)) - 14)[:, 1] / 8
    assert torch.allclose(arm, torch.tensor(1.1), atol=0.01)


def test_shear_slants_rows_against_each_other() -> None:
    offset = moved(Affine(shear=20), spot(6, 14)) - torch.tensor([6.0, 14.0])
    assert offset[:, 0].abs().max() < 0.2
    assert offset[:, 1].abs().max() == pytest.approx(8 * torch.tan(torch.deg2rad(torch.tensor(20.0))).item(), abs=0.3)


def test_normal_draws_have_the_deviation_asked_for() -> None:
    offset = moved(Affine(shift=1.5, distribution="normal"), spot(14, 14, count=2000)) - 14
    assert float(offset.std()) == pytest.approx(1.5, rel=0.06)


def test_nearest_takes_pixels_as_they_are() -> None:
    images = torch.randint(0, 2, (20, 1, 28, 28)).float()
    changed = Affine(rotation=15, interpolation="nearest")(images, torch.Generator().manual_seed(1))
    assert set(changed.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "affine", "rotation": -1}, r"augment\.0 \(affine\): rotation must not be negative"),
        ({"kind": "affine", "rotate": 5}, "rotate.*Allowed keys: rotation, shear"),
        ({"kind": "affine", "distribution": "cauchy"}, "uniform or normal"),
        ({"kind": "affine", "interpolation": "cubic"}, "bilinear or nearest"),
        ({"kind": "affine", "zoom_centre": 0}, "must be positive"),
        ({"kind": "afine"}, "unknown augmentation 'afine'"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build([AugmentSettings.model_validate(settings)])
