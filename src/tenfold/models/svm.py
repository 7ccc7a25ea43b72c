"""A support vector machine with a radial basis function for each pair of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.augmentation.affine import Affine
from tenfold.augmentation.elastic import Elastic
from tenfold.data.splits import stratified_split
from tenfold.errors import UsageError
from tenfold.models._fitted import (
    Fitted,
    Work,
    apply,
    check_metric,
    check_range,
    components_of,
    dense,
    feature_layers,
    slope_and_scale,
)
from tenfold.models.layers.kernel import Kernel
from tenfold.values.recipe import EnsembleSettings

Pair = tuple[int, int]
Rows = NDArray[np.int64]
FIRST = 1500
"""Rows of a pair in its first working set, at most."""
TOLERANCE = 1e-3
"""How far inside the margin a row may lie that has no weight; libsvm's own default."""


@dataclass(frozen=True)
class Points:
    """Vectors to compare by exp(-|x - z|^2 / 2).

    Attributes:
        x: float32 (N, D).
        half: float32 (N,), half of the squared norms.
    """

    x: NDArray[np.float32]
    half: NDArray[np.float32]

    @classmethod
    def of(cls, x: NDArray[np.float32]) -> Points:
        """The rows of ``x`` (N, D)."""
        return cls(x, np.float32(0.5) * np.einsum("nd,nd->n", x, x))

    def __getitem__(self, rows: Any) -> Points:
        return Points(self.x[rows], self.half[rows])

    def kernel(self, other: Points) -> NDArray[np.float32]:
        """The kernel's values, float32 (N, M)."""
        product = self.x @ other.x.T
        product -= self.half[:, None]
        product -= other.half
        return np.exp(np.minimum(product, 0, out=product), out=product)


@dataclass(frozen=True)
class Machine:
    """Tells two classes apart: positive for the first of its pair.

    Attributes:
        rows: (S,) its support vectors, as numbers of the rows it was fitted on.
        weights: float64 (S,), of their kernels.
        bias: added to the sum.
    """

    rows: Rows
    weights: NDArray[np.float64]
    bias: float


def fit_machines(
    points: Points,
    labels: NDArray[np.int64],
    pairs: Sequence[Pair],
    rows: Sequence[Rows],
    C: float,
    work: Work,
    what: str,
) -> list[Machine]:
    """A machine for each of the ``pairs`` of classes.

    Args:
        points: N of them.
        labels: int64 (N,).
        pairs: of classes.
        rows: for each pair, those of its two classes that it is to learn from.
        C: what a row inside the margin costs.
        work: how; pairs are solved side by side.
        what: is reported.
    """

    def fit(number: int) -> Machine:
        work.check_stop()
        sign = np.where(labels[rows[number]] == pairs[number][0], 1.0, -1.0)
        return _fit(points, rows[number], sign, C, work.seed + number)

    machines = []
    with ThreadPoolExecutor(max(1, work.threads)) as pool:
        for machine in pool.map(fit, range(len(pairs))):
            machines.append(machine)
            work.report(what, len(machines), len(pairs))
    return machines


def together(machines: Sequence[Machine]) -> tuple[Rows, NDArray[np.float32], NDArray[np.float32]]:
    """(S,) the support vectors of all P machines, each once; their weights (P, S); the biases (P,)."""
    support = np.unique(np.concatenate([machine.rows for machine in machines]))
    weights = np.zeros((len(machines), len(support)), np.float32)
    for row, machine in zip(weights, machines, strict=True):
        row[np.searchsorted(support, machine.rows)] = machine.weights
    return support, weights, np.array([machine.bias for machine in machines], np.float32)


def _fit(points: Points, rows: Rows, sign: NDArray[np.float64], C: float, seed: int) -> Machine:
    from sklearn.svm import SVC

    if len(rows) == abs(sign.sum()):  # no rows of one of the classes, or of both: nothing to tell apart
        return Machine(rows[:0], np.zeros(0), float(np.sign(sign.sum())))
    working = _first_rows(sign, seed)
    while True:
        chosen = points[rows[working]]
        gram = chosen.kernel(chosen).astype(np.float64)
        solved = SVC(kernel="precomputed", C=C, tol=TOLERANCE, cache_size=500).fit(gram, sign[working])
        support, weights, bias = working[solved.support_], solved.dual_coef_[0], float(solved.intercept_[0])
        decisions = points[rows].kernel(points[rows[support]]) @ weights.astype(np.float32) + bias
        inside = sign * decisions < 1 - TOLERANCE
        inside[working] = False
        if not inside.any():
            return Machine(rows[support], weights, bias)
        working = np.union1d(support, np.flatnonzero(inside))


def _first_rows(sign: NDArray[np.float64], seed: int) -> Rows:
    """About ``FIRST`` rows, both classes in proportion and neither left out."""
    draw = np.random.Generator(np.random.PCG64(seed))
    share = min(1.0, FIRST / len(sign))
    sides = [draw.permutation(np.flatnonzero(sign == side)) for side in (-1.0, 1.0)]
    return np.sort(np.concatenate([side[: math.ceil(share * len(side))] for side in sides]))


UNSEEN = 0.2
"""Share of the rows that the machines which calibrate do not see."""
BENDING = (Elastic(alpha=34, sigma=4), Affine(rotation=8, zoom=0.1, shift=1))
BATCH = 500


class Svm(Fitted):
    """Features, their principal components, K (K - 1) / 2 machines, and the machines' opinions as logits.

    With d_ij the machine for classes i and j, the logit of i is ``scale`` times the sum over j of
    log sigmoid(``slope`` d_ij): sigmoids as Platt (1999) has them, but all of one slope, and odds that
    multiply. Slope and scale make rows most likely that the machines behind them have not seen.

    Args:
        image_shape: (C, H, W).
        classes: K.
        features: ``pixels`` or ``gradients`` (see :class:`~tenfold.models.layers.gradients.Gradients`).
        deskew: set slanted writing upright first.
        metric: of distances, see :func:`~tenfold.models._fitted.components_of`.
        components: how many principal components are kept.
        gamma: of the kernel exp(-gamma |x - z|^2); pixels are 0..1.
        C: what a row inside the margin costs.
        virtual: the support vectors of a first fit, shifted by up to so many pixels, are what a second one
            learns from (Schoelkopf, Burges & Vapnik 1996; DeCoste & Schoelkopf 2002). 0 is one fit only.
        bent: so many more copies of each support vector, every one turned, scaled and bent by chance, join them
            (elastic distortions after Simard et al. 2003, as Loosli, Canu & Bottou 2007 gave them to kernel machines).
        calibrate: fit slope and scale, which takes as long again.
        slope: where nothing calibrates; the scale is then 1 / slope. If it is steep, such as 16, only machines that are
            against a class count, and the class chosen is that of libsvm's votes but for a few rows in a thousand.

    Raises:
        UsageError: a setting out of its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        features: str = "gradients",
        deskew: bool = True,
        metric: str = "euclidean",
        components: int = 60,
        gamma: float = 0.4,
        C: float = 5.0,
        virtual: int = 1,
        bent: int = 0,
        calibrate: bool = True,
        slope: float = 1.0,
    ) -> None:
        check_metric(metric)
        check_range("components", components, 1, 100_000)
        check_range("gamma", gamma, 1e-9, 1e9)
        check_range("C", C, 1e-9, 1e9)
        check_range("virtual", virtual, 0, 3)
        check_range("bent", bent, 0, 100)
        check_range("slope", slope, 1e-3, 1e3)
        before, width = feature_layers(image_shape, features, deskew)
        pairs = list(combinations(range(classes), 2))
        components = min(components, width)
        super().__init__(
            *before,
            dense(np.zeros((components, width)), np.zeros(components)),
            Kernel(np.zeros((1, components))),
            dense(np.zeros((len(pairs), 1)), np.zeros(len(pairs))),
            *_coupling(pairs, classes, 1.0, 1.0),
        )
        self._features, self._pairs, self._classes = before, pairs, classes
        self._metric, self._components, self._gamma, self._C = metric, components, gamma, C
        self._virtual, self._bent = virtual, bent
        self._calibrate, self._slope = calibrate, slope

    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """See :meth:`Fitted.learn`."""
        slope, scale = self._slope, 1 / self._slope
        if self._calibrate:
            seen, unseen = stratified_split(labels, UNSEEN, work.seed)
            if not len(unseen):
                raise UsageError("there are too few rows to calibrate with; set model.calibrate = false")
            first = self._machines(images[seen], labels[seen], work, "calibration: ")
            decisions = apply([*self._features, *first], images[unseen]).astype(np.float64)
            slope, scale = slope_and_scale(decisions, self._pairs, self._classes, labels[unseen])
        layers = [
            *self._features,
            *self._machines(images, labels, work),
            *_coupling(self._pairs, self._classes, slope, scale),
        ]
        for place, layer in enumerate(layers):
            self[place] = layer

    def effort(self, rows: int) -> float:
        """See :meth:`Fitted.effort`: some passes through the kernel of all rows."""
        return 2.5e2 * rows**2

    def _machines(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work, what: str = ""
    ) -> list[nn.Module]:
        """From features to decisions (B, P): principal components, kernel, the machines' weights."""
        features = apply(self._features, images)
        projection = components_of(features, labels, self._components, self._metric, sqrt(2 * self._gamma))
        points = Points.of(features @ projection.weight.numpy().T + projection.bias.numpy())
        rows = [np.flatnonzero((labels == a) | (labels == b)) for a, b in self._pairs]
        machines = fit_machines(points, labels, self._pairs, rows, self._C, work, f"{what}pairs of classes")
        if self._virtual or self._bent:
            support, _, _ = together(machines)
            copies = [shift(images[support], *offset) for offset in EnsembleSettings(shifts=self._virtual).offsets]
            copies += [bend(images[support], work.seed + number) for number in range(self._bent)]
            points = Points.of(apply([*self._features, projection], np.concatenate(copies)))
            labels = np.tile(labels[support], len(copies))
            starts = len(support) * np.arange(len(copies))
            rows = [np.concatenate(starts[:, None] + np.searchsorted(support, machine.rows)) for machine in machines]
            machines = fit_machines(points, labels, self._pairs, rows, self._C, work, f"{what}virtual support vectors")
        support, weights, biases = together(machines)
        return [projection, Kernel(points.x[support]), dense(weights, biases)]


def _coupling(pairs: list[tuple[int, int]], classes: int, slope: float, scale: float) -> list[nn.Module]:
    """From decisions (B, P) to logits (B, K): softplus(-d) is against a pair's first class, softplus(d) against its
    second.
    """
    both = np.concatenate([-np.eye(len(pairs)), np.eye(len(pairs))])
    against = np.zeros((classes, len(both)))
    for number, (first, second) in enumerate(pairs):
        against[first, number] = against[second, len(pairs) + number] = 1
    return [dense(slope * both), nn.Softplus(), dense(-scale * against)]


def bend(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """``images`` (N, C, H, W), each turned, scaled, moved and bent a little, differently."""
    draw = torch.Generator().manual_seed(seed)
    bent = np.empty_like(images)
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(images[start : start + BATCH].copy()).float() / 255
        for step in BENDING:
            batch = step(batch, draw)
        bent[start : start + BATCH] = (batch * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return bent


def shift(images: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """``images`` (N, C, H, W) moved by so many pixels; 0 comes in from outside."""
    height, width = images.shape[2:]
    moved = np.zeros_like(images)
    moved[:, :, _inside(down, height), _inside(right, width)] = images[
        :, :, _inside(-down, height), _inside(-right, width)
    ]
    return moved


def _inside(distance: int, size: int) -> slice:
    """The pixels of a row of ``size`` onto which something comes to lie when it moves by ``distance``."""
    return slice(max(distance, 0), size + min(distance, 0))
