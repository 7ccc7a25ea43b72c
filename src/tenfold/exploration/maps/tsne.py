"""t-SNE: all images on a plane, neighbours beside neighbours.

van der Maaten and Hinton, "Visualizing Data using t-SNE" (2008), with the interpolation of Linderman et al.,
"Fast interpolation-based t-SNE" (2019), as openTSNE implements it. A map keeps neighbourhoods; distances
between far groups and the sizes of groups mean little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.exploration.maps import Points, Progress, plane, require


@dataclass(frozen=True)
class Tsne:
    """How a map is made.

    Attributes:
        components: principal components that are given to it.
        perplexity: how many neighbours count, roughly.
        early_rounds: rounds in which attraction is multiplied by ``early_exaggeration``.
        early_exaggeration: finds the coarse order.
        rounds: rounds after that.
        exaggeration: attraction is multiplied by it in these rounds; above 1, groups stand apart and are found sooner.
        interval: coarseness of the grid that forces are interpolated on; 1 is openTSNE's default.
    """

    components: int = 50
    perplexity: float = 20
    early_rounds: int = 125
    early_exaggeration: float = 12
    rounds: int = 350
    exaggeration: float = 1.5
    interval: float = 3

    @classmethod
    def as_notebook(cls) -> Tsne:
        """The notebook's settings: 154 components, perplexity 50, exaggeration 12, 1,000 rounds, begun from two
        components.
        """
        return cls(154, perplexity=50, early_rounds=250, early_exaggeration=12, rounds=750, exaggeration=1, interval=1)

    @property
    def name(self) -> str:
        """As people write it."""
        return "t-SNE"

    def check_installed(self) -> None:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        check_installed()

    def fit(self, points: Points, *, progress: Progress | None = None) -> TsneMap:
        """See :func:`fit_tsne`."""
        return fit_tsne(points, self, progress=progress)

    def note(self, components: int) -> str:
        """See :class:`~tenfold.exploration.maps.MapMethod`."""
        return (
            f"t-SNE of {components} principal components: perplexity {self.perplexity:g}, exaggeration"
            f" {self.early_exaggeration:g} for {self.early_rounds} rounds, {self.exaggeration:g} for {self.rounds}."
            " Neighbours are alike; distances between far groups and sizes of groups mean little."
        )


DEFAULT = Tsne()


@dataclass(frozen=True)
class TsneMap:
    """A map and what it needs to place further points.

    Attributes:
        places: float32 (N, 2).
        components: principal components of each point.
    """

    places: Points
    components: int
    embedding: Any

    def place(self, points: Points) -> Points:
        """(M, 2): where further points (M, :attr:`components`) belong, the map left as it is."""
        placed = self.embedding.transform(points, perplexity=min(5, max(1, (len(self.places) - 1) // 3)))
        return np.asarray(placed, dtype=np.float32)


FEW = 1000
"""Points below which neighbours are sought exactly, and forces added up by a tree (Barnes-Hut) instead of on a grid
(Fourier).
"""


def check_installed() -> None:
    """Before anything that takes long.

    Raises:
        ResourceError: openTSNE is not installed.
    """
    require("openTSNE", "explore", "t-SNE")


def fit_tsne(
    points: Points, settings: Tsne = DEFAULT, *, seed: int = 0, threads: int = -1, progress: Progress | None = None
) -> TsneMap:
    """Map points (N, M), N >= 4: rows on their principal components, in the order of these.

    The perplexity is lowered for few points. The same points, settings and seed give the same map on one machine.
    ``threads`` -1 is one a core.

    Raises:
        ResourceError: openTSNE is not installed.
    """
    check_installed()
    import openTSNE
    from openTSNE.nearest_neighbors import Annoy, Sklearn

    points = np.ascontiguousarray(points[:, : settings.components], dtype=np.float32)
    perplexity = min(settings.perplexity, (len(points) - 1) / 3)
    few = len(points) < FEW
    # as openTSNE would choose, which first imports pynndescent if it is there: seconds, and the first time half a
    # minute
    search = Sklearn if few else Annoy
    neighbours = search(points, min(len(points) - 1, int(3 * perplexity)), n_jobs=threads, random_state=seed)
    affinities = openTSNE.affinity.PerplexityBasedNN(perplexity=perplexity, knn_index=neighbours, n_jobs=threads)
    start = openTSNE.initialization.rescale(plane(points).astype(np.float64))
    embedding = openTSNE.TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method="bh" if few else "fft",
        ints_in_interval=settings.interval,
        n_jobs=1 if few else threads,  # Barnes-Hut's sums depend on who adds first
        random_state=seed,
    )
    total = settings.early_rounds + settings.rounds

    def optimise(done: int, rounds: int, exaggeration: float) -> None:
        def hear(iteration: int, error: float, places: object) -> bool:
            if progress is not None:
                progress(done + iteration, total)
            return False  # openTSNE would stop

        embedding.optimize(
            rounds, exaggeration=exaggeration, momentum=0.8, inplace=True, callbacks=[hear], callbacks_every_iters=10
        )

    optimise(0, settings.early_rounds, settings.early_exaggeration)
    optimise(settings.early_rounds, settings.rounds, settings.exaggeration)
    return TsneMap(np.asarray(embedding, dtype=np.float32), points.shape[1], embedding)
