"""What every way to map images onto a plane can do, and the ways there are by name.

A method is a frozen dataclass of settings in a file of its own; other packages name theirs as entry points of the group
``tenfold.exploration.maps``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import missing_extra
from tenfold.registry import Registry

Points = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with the rounds done and the rounds there are."""


class FittedMap(Protocol):
    """A map that can take further points."""

    @property
    def places(self) -> Points:
        """float32 (N, 2)."""

    @property
    def components(self) -> int:
        """Principal components of each point."""

    def place(self, points: Points) -> Points:
        """(M, 2): where further points (M, :attr:`components`) belong, the map left as it is."""


class MapMethod(Protocol):
    """Settings of a method."""

    @property
    def name(self) -> str:
        """As people write it: "t-SNE"."""

    @property
    def components(self) -> int:
        """Principal components it is given, where there are so many."""

    def check_installed(self) -> None:
        """Before anything that takes long.

        Raises:
            ResourceError: a package is missing.
        """

    def fit(self, points: Points, *, progress: Progress | None = None) -> FittedMap:
        """Map points (N, M), N >= 5: rows on their principal components, in the order of these."""

    def note(self, components: int) -> str:
        """How a map of points with so many components was made, and how to read it."""


MAPS: Registry[Callable[[], MapMethod]] = Registry(__name__, "map")
"""By name; called without arguments, a method has its default settings."""


def require(package: str, extra: str, purpose: str) -> None:
    """Say what to install where a package is missing, without importing it.

    Raises:
        ResourceError: it is not installed.
    """
    if find_spec(package) is None:
        raise missing_extra(package, extra, purpose)


def plane(points: Points) -> Points:
    """(N, 2): the first two columns; a second one of 0 where there is only one."""
    return points[:, :2] if points.shape[1] > 1 else np.pad(points, ((0, 0), (0, 1)))
