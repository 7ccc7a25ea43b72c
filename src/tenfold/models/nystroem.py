"""A kernel machine that compares with a sample of rows only: a linear problem, solved in closed form."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from tenfold.data.splits import stratified_split
from tenfold.models._fitted import (
    Fitted,
    Work,
    apply,
    check_metric,
    check_range,
    components_of,
    dense,
    feature_layers,
    temperature,
)
from tenfold.models.layers.kernel import Kernel
from tenfold.models.svm import Points

BLOCK = 2000
"""Rows whose kernels are in memory at a time."""
JITTER = 0.1
"""Added to the penalty's diagonal: landmarks that are nearly equal have no weights of their own."""
UNSEEN = 4000
"""Rows, at most, that the temperature is measured on."""
SCOUT = 1500
"""Landmarks, at most, of the machine that finds the hardest rows."""


class Nystroem(Fitted):
    """Features, principal components, the kernel with a sample of rows (landmarks), one dense layer.

    Williams & Seeger 2001, "Using the Nystroem method to speed up kernel machines": weights of the
    landmarks that fit targets of +1 for a row's class and -1 for the others with least squares, and
    with the penalty that a machine on all rows would have. A smaller machine, on random landmarks,
    finds the rows nearest to being taken for another class, which are worth more as landmarks than
    others, as a support vector machine's own choice shows.

    Args:
        image_shape: (C, H, W).
        classes: K.
        features: ``pixels`` or ``gradients``.
        deskew: set slanted writing upright first.
        metric: of distances, see :func:`~tenfold.models._fitted.components_of`.
        components: how many principal components are kept.
        gamma: of the kernel exp(-gamma |x - z|^2).
        landmarks: how many rows are compared with.
        penalty: on the squared norm of the solution, for each row.
        hard: share of the landmarks that are the rows which a smaller machine finds hardest; the others are drawn by
            chance.

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
        gamma: float = 0.005,
        landmarks: int = 2000,
        penalty: float = 1e-6,
        hard: float = 0.5,
    ) -> None:
        check_metric(metric)
        check_range("components", components, 1, 100_000)
        check_range("gamma", gamma, 1e-9, 1e9)
        check_range("landmarks", landmarks, 1, 100_000)
        check_range("hard", hard, 0, 1)
        check_range("penalty", penalty, 1e-15, 1e6)
        before, width = feature_layers(image_shape, features, deskew)
        components = min(components, width)
        super().__init__(
            *before,
            dense(np.zeros((components, width)), np.zeros(components)),
            Kernel(np.zeros((1, components))),
            dense(np.zeros((classes, 1)), np.zeros(classes)),
        )
        self._features, self._classes = before, classes
        self._metric, self._components = metric, components
        self._gamma, self._landmarks, self._hard, self._penalty = gamma, landmarks, hard, penalty

    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """See :meth:`Fitted.learn`."""
        work.check_stop()
        features = apply(self._features, images)
        projection = components_of(features, labels, self._components, self._metric, sqrt(2 * self._gamma))
        points = Points.of(features @ projection.weight.numpy().T + projection.bias.numpy())
        targets = 2 * np.eye(self._classes, dtype=np.float32)[labels] - 1
        seen, unseen = stratified_split(labels, min(0.2, UNSEEN / len(labels)), work.seed)
        landmarks = self._choose(points, targets, work)
        gram, right = self._sums(points[seen], targets[seen], landmarks, work)
        factor = 1.0
        if len(unseen):
            values = points[unseen].kernel(landmarks).astype(np.float64)
            factor = temperature(values @ self._solve(gram, right, len(seen), landmarks), labels[unseen])
            gram += values.T @ values
            right += values.T @ targets[unseen]
        weights = factor * self._solve(gram, right, len(labels), landmarks).T
        self[-3], self[-2], self[-1] = projection, Kernel(landmarks.x), dense(weights, np.zeros(self._classes))

    def effort(self, rows: int) -> float:
        """See :meth:`Fitted.effort`: the kernels' products with themselves, of the machine and of its scout."""
        machine, scout = min(self._landmarks, rows), min(SCOUT, rows)
        return float(rows * (machine**2 + scout**2) + machine**3)

    def _choose(self, points: Points, targets: NDArray[np.float32], work: Work) -> Points:
        """The landmarks among ``points``, in their order: the hardest ones, and others by chance."""
        drawn = np.random.Generator(np.random.PCG64(work.seed)).permutation(len(points.x))
        count = min(self._landmarks, len(drawn))
        hard = round(self._hard * count)
        if hard == 0 or count == len(drawn):
            return points[np.sort(drawn[:count])]
        scouts = points[np.sort(drawn[:SCOUT])]
        weights = self._solve(*self._sums(points, targets, scouts, work), len(drawn), scouts)
        hardest = np.argsort(_margins(points, targets, scouts, weights), kind="stable")[:hard]
        others = drawn[~np.isin(drawn, hardest)][: count - hard]
        return points[np.sort(np.concatenate([hardest, others]))]

    def _sums(
        self, points: Points, targets: NDArray[np.float32], landmarks: Points, work: Work
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Products of kernels with themselves (M, M) and with the targets (M, K), a block of rows after another."""
        gram = np.zeros((len(landmarks.x),) * 2)
        right = np.zeros((len(landmarks.x), self._classes))
        starts = range(0, len(points.x), BLOCK)
        for number, start in enumerate(starts, 1):
            work.check_stop()
            block = slice(start, start + BLOCK)
            values = points[block].kernel(landmarks).astype(np.float64)  # float32 sums would drown the penalty
            gram += values.T @ values
            right += values.T @ targets[block]
            work.report("blocks of rows", number, len(starts))
        return gram, right

    def _solve(
        self, gram: NDArray[np.float64], right: NDArray[np.float64], rows: int, landmarks: Points
    ) -> NDArray[np.float64]:
        """The landmarks' weights, float64 (M, K)."""
        from scipy.linalg import solve

        penalty = rows * self._penalty * (landmarks.kernel(landmarks).astype(np.float64) + JITTER * np.eye(len(gram)))
        return solve(gram + penalty, right, assume_a="pos")


def _margins(
    points: Points, targets: NDArray[np.float32], landmarks: Points, weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """By how much each point's own class is ahead of the best other one, (N,)."""
    margins = np.empty(len(points.x), np.float32)
    for start in range(0, len(margins), BLOCK):
        block = slice(start, start + BLOCK)
        scores = points[block].kernel(landmarks) @ weights.astype(np.float32)
        own = targets[block] > 0
        margins[block] = scores[own] - np.where(own, -np.inf, scores).max(axis=1)
    return margins
