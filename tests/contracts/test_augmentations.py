"""What holds for every registered augmentation, whatever it does to the images."""

from typing import Any

import pytest
import torch

from tenfold.augmentation import AUGMENTATIONS, Augmentation, build
from tenfold.errors import UsageError
from tenfold.values.recipe import AugmentSettings

# settings that change the images; an augmentation that is not here is tested with its defaults
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "affine": [
        {"rotation": 15, "shear": 10, "zoom": 0.1, "shift": 2},
        {
            "rotation": 40,
            "zoom": 0.9,
            "shift": 30,
            "distribution": "normal",
            "interpolation": "nearest",
            "zoom_centre": 1.1,
        },
    ],
    "elastic": [{}, {"alpha": 100, "sigma": 1.5}],
    "erase": [{"probability": 1}, {"probability": 0.7, "largest": 1.0, "fill": "noise"}],
}
SHAPES = [(4, 1, 28, 28), (1, 1, 28, 28), (3, 3, 32, 32), (5, 1, 8, 8), (2, 1, 20, 30)]
CASES = [
    pytest.param(AUGMENTATIONS.get(name)(**settings), id=f"{name}-{number}")
    for name in AUGMENTATIONS
    for number, settings in enumerate(EXAMPLES.get(name, [{}]))
]


def batch(*shape: int) -> torch.Tensor:
    """Noise in 0..1 with an empty and a full image among it."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    images[0], images[-1] = (images[0], images[0]) if shape[0] == 1 else (torch.zeros(shape[1:]), torch.ones(shape[1:]))
    return images


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("augmentation", CASES)
def test_shape_type_and_range_stay(augmentation: Augmentation, shape: tuple[int, ...]) -> None:
    out = augmentation(batch(*shape), seeded())
    assert out.shape == shape
    assert out.dtype == torch.float32
    assert out.isfinite().all()
    assert 0 <= out.min()
    assert out.max() <= 1 + 1e-6  # interpolation sums weights that are rounded


@pytest.mark.parametrize("augmentation", CASES)
def test_the_images_that_came_in_are_left_alone(augmentation: Augmentation) -> None:
    images = batch(4, 1, 28, 28)
    before = images.clone()
    augmentation(images, seeded())
    assert torch.equal(images, before)


@pytest.mark.parametrize("augmentation", CASES)
def test_the_generator_decides_everything(augmentation: Augmentation) -> None:
    images = batch(4, 1, 28, 28)
    first, again, other = (augmentation(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("augmentation", CASES)
def test_nobody_elses_randomness_is_used(augmentation: Augmentation) -> None:
    before = torch.get_rng_state()
    augmentation(batch(4, 1, 28, 28), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("augmentation", CASES)
def test_every_image_is_changed_in_its_own_way(augmentation: Augmentation) -> None:
    same = batch(3, 1, 28, 28)[1:2].repeat(6, 1, 1, 1)
    out = augmentation(same, seeded())
    assert len({image.numpy().tobytes() for image in out}) > 1


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_an_unknown_setting_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=rf"augment\.0 \({name}\).*no_such_key.*Allowed keys: "):
        build([AugmentSettings(kind=name, no_such_key=1)])  # type: ignore[call-arg]
