"""Corrupted images, in five severities, which say how robust a model is that is good on clean digits.

Names and strengths are those of N. Mu and J. Gilmer, "MNIST-C: a robustness benchmark for computer vision", 2019
(arXiv:1906.02337), wherever it has the corruption; strengths in pixels there are for 28 x 28 and grow with the
image here. Its released set has fifteen, each in one severity. A corruption is a function with the decorator
:func:`corruption` in a file of this folder; other packages name theirs as entry points of the group
``tenfold.evaluation.corruptions``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import UsageError
from tenfold.registry import Entries

Pixels = NDArray[np.float32]
"""(N, C, H, W), 0..1."""
Change = Callable[[Pixels, int, np.random.Generator], Pixels]
"""(images, severity 1..5, generator) -> images, which may leave 0..1."""

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One way in which images get worse.

    Attributes:
        change: what it does.
        released: its severity in MNIST-C's released set; None if it is not there. ``stripe`` and ``canny_edges``, which
            have no severities there, have that form at this one here.
        in_mnist_c: whether MNIST-C has it at all.
    """

    change: Change
    released: int | None = None
    in_mnist_c: bool = True

    @property
    def description(self) -> str:
        """A line about it."""
        return (self.change.__doc__ or "").partition("\n")[0]


CORRUPTIONS: Entries[Corruption] = Entries(__name__, "corruption")


def corruption(*, released: int | None = None, in_mnist_c: bool = True) -> Callable[[Change], Change]:
    """Register the function below as the corruption of its name; see :class:`Corruption`."""

    def register(change: Change) -> Change:
        CORRUPTIONS.add(change.__name__, Corruption(change, released, in_mnist_c))
        return change

    return register


def released_severities() -> dict[str, int]:
    """The corruptions of MNIST-C's released set, and the severity of each."""
    return {name: some.released for name, some in CORRUPTIONS.load().items() if some.released is not None}


def corrupt(images: NDArray[np.uint8], name: str, severity: int, seed: int = 0) -> NDArray[np.uint8]:
    """``images``, uint8 (N, C, H, W), after the corruption ``name``; the same seed, the same bits.

    Raises:
        UsageError: no such corruption, or a severity other than 1..5.
    """
    some = CORRUPTIONS[name]
    if severity not in SEVERITIES:
        raise UsageError(f"found severity {severity}, expected 1 to 5")
    if not images.size:
        return images.copy()
    generator = np.random.default_rng([seed, *name.encode()])  # every severity draws the same numbers
    changed = some.change(images.astype(np.float32) / np.float32(255), severity, generator)
    return np.rint(changed.clip(0, 1) * 255).astype(np.uint8)
