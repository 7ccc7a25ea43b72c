"""PaCMAP: all images on a plane, near pairs pulled together, middling ones too at first, far ones pushed apart.

Wang, Huang, Rudin and Shaposhnik, "Understanding How Dimension Reduction Tools Work: An Empirical Approach to
Deciphering t-SNE, UMAP, TriMap, and PaCMAP for Data Visualization" (2021), as its authors' package implements it.
It keeps more of how groups lie to each other than t-SNE or UMAP.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.exploration.maps import Points, Progress, plane, require


@dataclass(frozen=True)
class Pacmap:
    """How a map is made.

    Attributes:
        components: principal components that are given to it.
        neighbours: of each point that are pulled towards it.
        seed: the same points, settings and seed give the same map on one machine.
    """

    components: int = 50
    neighbours: int = 10
    seed: int = 0

    @property
    def name(self) -> str:
        """As people write it."""
        return "PaCMAP"

    def check_installed(self) -> None:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        require("pacmap", "maps", "PaCMAP")

    def fit(self, points: Points, *, progress: Progress | None = None) -> PacmapMap:
        """Map points (N, M), N >= 5; pacmap tells nobody how far it is."""
        self.check_installed()
        import pacmap

        logging.getLogger("pacmap").setLevel(logging.ERROR)  # it warns that a seed was set
        points = np.ascontiguousarray(points[:, : self.components], dtype=np.float32)
        model = pacmap.PaCMAP(
            n_neighbors=min(self.neighbours, len(points) - 1), apply_pca=False, random_state=self.seed
        )
        places = model.fit_transform(points.copy(), init=plane(points))  # it scales what it is given, in place
        return PacmapMap(np.asarray(places, dtype=np.float32), points.shape[1], model, points)

    def note(self, components: int) -> str:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        return (
            f"PaCMAP of {components} principal components: {self.neighbours} neighbours. Neighbours are alike, and"
            " groups that lie side by side are nearer kin; sizes of groups mean little."
        )


@dataclass(frozen=True)
class PacmapMap:
    """See :class:`~tenfold.exploration.maps.FittedMap`.

    Attributes:
        places: float32 (N, 2).
        components: principal components of each point.
        model: pacmap's own.
        points: (N, :attr:`components`) that it was fitted to.
    """

    places: Points
    components: int
    model: Any
    points: Points

    def place(self, points: Points) -> Points:
        """See :class:`~tenfold.exploration.maps.FittedMap`."""
        return np.asarray(self.model.transform(np.ascontiguousarray(points), basis=self.points), dtype=np.float32)
