"""The nearest neighbours' vote."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.data.splits import stratified_split
from tenfold.models._fitted import Fitted, Work, apply, check_metric, check_range, components_of, dense, feature_layers
from tenfold.models.layers.neighbours import Neighbours

UNSEEN = 2000
"""Rows, at most, that the doubt is measured on."""
DOUBTS = np.geomspace(1e-4, 1, 25)


class Knn(Fitted):
    """Features, their principal components, and the classes of the nearest training rows.

    How much doubt is added to their vote makes rows most likely that are no neighbours of themselves.

    Args:
        image_shape: (C, H, W).
        classes: K.
        features: ``pixels`` or ``gradients``.
        deskew: set slanted writing upright first.
        metric: of distances, see :func:`~tenfold.models._fitted.components_of`.
        components: how many principal components are kept.
        neighbours: how many rows vote, weighted by their distances.

    Raises:
        UsageError: a setting out of its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        features: str = "gradients",
        deskew: bool = True,
        metric: str = "mahalanobis",
        components: int = 80,
        neighbours: int = 6,
    ) -> None:
        check_metric(metric)
        check_range("components", components, 1, 100_000)
        check_range("neighbours", neighbours, 1, 1000)
        before, width = feature_layers(image_shape, features, deskew)
        components = min(components, width)
        super().__init__(
            *before,
            dense(np.zeros((components, width)), np.zeros(components)),
            Neighbours(np.zeros((1, components)), np.ones((1, classes)), neighbours, 1.0),
        )
        self._features, self._classes = before, classes
        self._metric, self._components, self._neighbours = metric, components, neighbours

    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """See :meth:`Fitted.learn`."""
        work.check_stop()
        features = apply(self._features, images)
        projection = components_of(features, labels, self._components, self._metric)
        rows = features @ projection.weight.numpy().T + projection.bias.numpy()
        votes = np.eye(self._classes, dtype=np.float32)[labels]
        work.report("components", 1, 2)
        work.check_stop()
        self[-2], self[-1] = (
            projection,
            Neighbours(rows, votes, self._neighbours, self._doubt(rows, votes, labels, work)),
        )
        work.report("neighbours", 2, 2)

    def _doubt(
        self, rows: NDArray[np.float32], votes: NDArray[np.float32], labels: NDArray[np.int64], work: Work
    ) -> float:
        seen, unseen = stratified_split(labels, min(0.2, UNSEEN / len(labels)), work.seed)
        if not len(unseen):
            return float(DOUBTS[len(DOUBTS) // 2])
        shares = np.exp(apply([Neighbours(rows[seen], votes[seen], self._neighbours, 0.0)], rows[unseen]))
        right = shares[np.arange(len(unseen)), labels[unseen]]
        return float(min(DOUBTS, key=lambda doubt: -np.log((right + doubt) / (1 + self._classes * doubt)).mean()))
