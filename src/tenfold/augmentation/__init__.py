"""Augmentation of whole batches: float32 (B, C, H, W) in 0..1 in, the same shape out, an explicit generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from tenfold.errors import UsageError
from tenfold.registry import Registry

if TYPE_CHECKING:
    import torch

    from tenfold.values.recipe import AugmentSettings


class Augmentation(Protocol):
    """What every file of this folder defines: a frozen dataclass of settings that can be called."""

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A changed copy of ``images`` (B, C, H, W); all randomness comes from ``generator``."""
        ...


AUGMENTATIONS: Registry[Callable[..., Augmentation]] = Registry("tenfold.augmentation", "augmentation")


def build(steps: Sequence[AugmentSettings]) -> Callable[[torch.Tensor, torch.Generator], torch.Tensor]:
    """All ``steps`` of a recipe, one after another.

    Raises:
        UsageError: an unknown augmentation, key or value; the message names it.
    """
    augmentations = []
    for number, step in enumerate(steps):
        factory = AUGMENTATIONS.get(step.kind)
        try:
            augmentations.append(factory(**step.settings))
        except (TypeError, ValueError) as error:
            fields = getattr(factory, "__dataclass_fields__", {})
            raise UsageError(f"augment.{number} ({step.kind}): {error}. Allowed keys: {', '.join(fields)}") from error

    def apply(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        for augmentation in augmentations:
            images = augmentation(images, generator)
        return images

    return apply
