"""Architectures only: a model here knows nothing of optimisers or data sets.

A network maps float32 images (B, C, H, W) in 0..1 to logits (B, K).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

from tenfold.errors import UsageError
from tenfold.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from tenfold.values.recipe import ModelSettings

HELPERS = frozenset({"layers"})
MODELS: Registry[Callable[..., nn.Module]] = Registry("tenfold.models", "model", exclude=HELPERS)


def build(settings: ModelSettings, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that a recipe's ``[model]`` table describes, freshly initialised from torch's global generator.

    Args:
        settings: the table; its keys besides ``kind`` are the arguments of the model's factory.
        image_shape: (C, H, W) of the images it will see.
        classes: K, the number of classes.

    Raises:
        UsageError: unknown model, unknown key, or a network that does not fit the images.
    """
    factory = MODELS.get(settings.kind)
    given = checked(f"model {settings.kind!r}", factory, settings.settings)
    try:
        return factory(image_shape=image_shape, classes=classes, **given)
    except RuntimeError as error:  # torch's, of a kernel larger than the image
        said = str(error).partition("\n")[0]
        raise UsageError(
            f"the model {settings.kind!r} does not take images of {image_shape} (C, H, W): {said}"
        ) from None


def checked(what: str, factory: Callable[..., object], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """``settings``, if ``factory`` has parameters of these names.

    Raises:
        UsageError: naming the unknown or missing key and those that are allowed.
    """
    given = {name: p for name, p in signature(factory).parameters.items() if name not in ("image_shape", "classes")}
    for name in settings:
        if name not in given:
            raise UsageError(f"{what} has no key {name!r}; allowed: {', '.join(given)}")
    for name, parameter in given.items():
        if parameter.default is parameter.empty and name not in settings:
            raise UsageError(f"{what} needs the key {name!r}")
    return settings
