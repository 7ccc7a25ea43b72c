"""What a network looks at in single images: three ways to ask, for the class it reads and for the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tenfold.report.heat import over
from tenfold.report.sprites import Sheet, sheet

if TYPE_CHECKING:  # it loads torch, which most pages do without
    from tenfold.explanation.explain import Attribution, Explanation

WAYS = ("Grad-CAM", "Integrated gradients", "Occlusion")
ALTERNATIVES = 3


@dataclass(frozen=True)
class Look:
    """One class: a cell of the sheet for each of ``WAYS``, empty where there is no picture."""

    target: int
    cells: list[str]


@dataclass(frozen=True)
class Item:
    """One image; ``cell`` selects it on the sheet of images."""

    id: str
    cell: str
    label: int | None
    predicted: int
    alternatives: list[tuple[int, float]]
    looks: list[Look]


@dataclass(frozen=True)
class Explained:
    """``pictures`` holds the heat over the images, ``images`` the images themselves."""

    items: list[Item]
    images: Sheet
    pictures: Sheet


def explained(found: Sequence[Explanation]) -> Explained | None:
    """The section; None without an image."""
    if not found:
        return None
    images = sheet(np.stack([one.image for one in found]))
    pictures = [
        over(one.image, values) for one in found for look in one.attributions for values in _ways(look) if values is not None
    ]
    heats = sheet(np.stack(pictures))
    cells = iter(range(len(pictures)))
    items = [
        Item(
            one.id,
            images.cell(place),
            one.label,
            one.predicted,
            [(k, float(one.probabilities[k])) for k in np.argsort(-one.probabilities, kind="stable")[:ALTERNATIVES].tolist()],
            [
                Look(look.target, [heats.cell(next(cells)) if values is not None else "" for values in _ways(look)])
                for look in one.attributions
            ],
        )
        for place, one in enumerate(found)
    ]
    return Explained(items, images, heats)


def _ways(look: Attribution) -> tuple[NDArray[np.float32] | None, ...]:
    return look.grad_cam, look.integrated_gradients, look.occlusion
