"""An augmentation of your own: a frozen dataclass that changes a whole batch.

    python examples/new_augmentation.py [TRAIN] [KEY=VALUE ...]

It is known to this process only, so the member is trained here. To use it everywhere, let a package of yours name it
as an entry point of the group ``tenfold.augmentation``.
"""

import sys
from dataclasses import dataclass

import torch

import tenfold
from tenfold.augmentation import AUGMENTATIONS


@dataclass(frozen=True)
class Fade:
    """Each image is made fainter, by another factor for each.

    Attributes:
        strength: 0 changes nothing, 1 may make an image vanish.
    """

    strength: float = 0.5

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        factor = 1 - self.strength * torch.rand(len(images), 1, 1, 1, generator=generator)
        return images * factor.to(images.device)


AUGMENTATIONS.add("fade", Fade)

train, *overrides = sys.argv[1:] or ["mnist"]
faded = ['augment=[{kind="affine", rotation=10, shift=2}, {kind="fade", strength=0.7}]', "ensemble.members=1"]
run = tenfold.train("quick", train=tenfold.load(train), overrides=[*faded, *overrides], executor="local")
print(f"{run.predictions('validation').accuracy:.2%} of the held-out images")
