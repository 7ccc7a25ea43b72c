"""UMAP: all images on a plane, from a graph of their nearest neighbours.

McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction" (2018), as
umap-learn implements it. Groups stand farther apart than on a t-SNE map; their distances mean as little.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.exploration.maps import Points, Progress, plane, require


@dataclass(frozen=True)
class Umap:
    """How a map is made.

    Attributes:
        components: principal components that are given to it.
        neighbours: of each point in the graph.
        least_distance: how near points may come, on a map some ten wide.
        seed: the same points, settings and seed give the same map on one machine, on one core.
    """

    components: int = 50
    neighbours: int = 15
    least_distance: float = 0.1
    seed: int = 0

    @property
    def name(self) -> str:
        """As people write it."""
        return "UMAP"

    def check_installed(self) -> None:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        require("umap", "maps", "UMAP")

    def fit(self, points: Points, *, progress: Progress | None = None) -> UmapMap:
        """Map points (N, M), N >= 5; umap-learn tells nobody how far it is."""
        self.check_installed()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # of a part of it that wants TensorFlow
            import umap

        points = np.ascontiguousarray(points[:, : self.components], dtype=np.float32)
        start = plane(points)
        model = umap.UMAP(
            n_neighbors=min(self.neighbours, len(points) - 1),
            min_dist=self.least_distance,
            init=start * np.float32(10 / max(float(np.ptp(start)), 1e-9)),  # as wide as umap-learn makes its own starts
            random_state=self.seed,
            n_jobs=1,  # a seed decides nothing on more
        )
        return UmapMap(np.asarray(model.fit_transform(points), dtype=np.float32), points.shape[1], model)

    def note(self, components: int) -> str:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        return (
            f"UMAP of {components} principal components: {self.neighbours} neighbours, least distance"
            f" {self.least_distance:g}. Neighbours are alike; distances between far groups and sizes of groups mean"
            " little."
        )


@dataclass(frozen=True)
class UmapMap:
    """See :class:`~tenfold.exploration.maps.FittedMap`."""

    places: Points
    components: int
    model: Any

    def place(self, points: Points) -> Points:
        """See :class:`~tenfold.exploration.maps.FittedMap`."""
        return np.asarray(self.model.transform(np.ascontiguousarray(points)), dtype=np.float32)
