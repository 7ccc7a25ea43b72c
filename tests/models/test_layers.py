"""Layers with a closed form, against that form."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from tenfold.models.layers.deskew import Deskew
from tenfold.models.layers.gradients import DIRECTIONS, Gradients
from tenfold.models.layers.kernel import Kernel


def bar(slant: float) -> torch.Tensor:
    """(1, 1, 28, 28): a bar three pixels wide that leans by ``slant`` pixels a row."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = (1.5 - (columns - 13.5 - slant * (rows - 13.5)).abs()).clamp(0, 1)
    ink[(rows < 5) | (rows > 22)] = 0
    return ink[None, None]


def slant_of(image: torch.Tensor) -> float:
    """mu11 / mu02 of an image (1, 1, H, W): pixels that its ink leans to the right, a row."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = image[0, 0] / image.sum()
    rows, columns = rows - (ink * rows).sum(), columns - (ink * columns).sum()
    return float((ink * rows * columns).sum() / (ink * rows * rows).sum())


@pytest.mark.parametrize("slant", [-0.5, 0.0, 0.2, 0.6])
def test_slanted_bars_are_set_upright(slant: float) -> None:
    assert slant_of(bar(slant)) == pytest.approx(slant, abs=0.02)
    upright = Deskew(1, 28, 28)(bar(slant))
    assert slant_of(upright) == pytest.approx(0, abs=0.01)
    assert (upright.argmax(3) - 13).abs()[0, 0, 6:22].max() <= 1
    assert upright.sum() == pytest.approx(float(bar(slant).sum()), rel=0.02)


def test_each_image_has_its_own_slant_and_blank_ones_stay_blank() -> None:
    images = torch.cat([bar(0.5), torch.zeros(1, 1, 28, 28), bar(-0.3)])
    deskew = Deskew(1, 28, 28)
    assert torch.allclose(deskew(images), torch.cat([deskew(image[None]) for image in images]), atol=1e-6)
    assert not deskew(images)[1].any()


def test_an_edge_answers_in_its_direction() -> None:
    """Brightness that rises from left to right is direction 0, from top to bottom a quarter turn further."""
    ramp = torch.linspace(0, 1, 28).expand(28, 28)[None, None]
    for image, direction in ((ramp, 0), (ramp.mT, DIRECTIONS // 4), (ramp.flip(3), DIRECTIONS // 2)):
        inner = Gradients(1)(image)[0, :, 2:-2, 2:-2].mean((1, 2))
        assert inner.argmax() == direction


def test_the_kernel_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    x, vectors = draw.normal(size=(20, 5)).astype(np.float32), draw.normal(size=(7, 5)).astype(np.float32)
    found = Kernel(vectors)(torch.from_numpy(x)).numpy()
    assert np.abs(found - rbf_kernel(x, vectors, gamma=0.5)).max() < 1e-6
