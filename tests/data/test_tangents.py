"""Slight changes cost nothing, others do."""

import numpy as np
import pytest
from scipy import ndimage

from tenfold.data.checks.near_duplicates import tangent_distances


def normalised(image: np.ndarray) -> np.ndarray:
    row = image.reshape(-1) - image.mean()
    return (row / np.linalg.norm(row)).astype(np.float32)


@pytest.fixture
def image() -> np.ndarray:
    dots = np.pad(np.random.default_rng(0).random((16, 12)) > 0.8, ((8, 8), (8, 8)))
    return ndimage.gaussian_filter(dots.astype(np.float64), 1.6)


CHANGES = {
    "turned": lambda image: ndimage.rotate(image, 1.5, reshape=False, order=3),
    "moved": lambda image: ndimage.shift(image, (0.3, -0.2), order=3),
    "blurred": lambda image: ndimage.gaussian_filter(image, 0.8),
    "brighter": lambda image: 40 + 1.3 * image,
}


@pytest.mark.parametrize("change", CHANGES)
def test_slight_changes_cost_next_to_nothing(image: np.ndarray, change: str) -> None:
    changed = normalised(CHANGES[change](image))
    straight = 1 - float(normalised(image) @ changed) ** 2
    distance = float(
        tangent_distances(normalised(image)[None], changed[None], np.zeros((1, 1), np.int64), image.shape)[0, 0]
    )
    assert distance < 0.003
    assert distance <= 0.25 * straight or straight < 1e-6


def test_the_distance_is_that_to_the_nearest_point_of_the_plane(image: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    others = np.stack([normalised(rng.normal(size=image.shape)) for _ in range(3)])
    row = normalised(image)
    found = tangent_distances(row[None], others, np.array([[2, 0]]), image.shape)
    grid = row.reshape(image.shape).astype(np.float64)
    down, right = np.gradient(grid)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - (np.array(image.shape)[:, None, None] - 1) / 2
    blur = np.gradient(down, axis=0) + np.gradient(right, axis=1)
    plane = (
        np.stack([grid, np.ones_like(grid), down, right, y * right - x * down, x * right + y * down, blur])
        .reshape(7, -1)
        .T
    )
    for place, other in enumerate((2, 0)):
        _, residual, *_ = np.linalg.lstsq(plane, others[other], rcond=None)
        assert found[0, place] == pytest.approx(float(residual[0]), abs=1e-4)


def test_a_blank_image_is_far_from_all() -> None:
    others = np.full((1, 25), 0.2, np.float32)
    others[0, ::2] *= -1
    assert tangent_distances(np.zeros((1, 25), np.float32), others, np.zeros((1, 1), np.int64), (5, 5))[0, 0] > 0.9
