"""A support vector machine for each pair of classes, solved on the few rows that matter.

Of n rows, only those at or inside the margin end with a weight. So each pair is solved on a working
set; whatever the solution puts inside the margin joins the support vectors as the next working set,
until nothing does (chunking: Osuna, Freund & Girosi 1997, "An improved training algorithm for support
vector machines"). The objective falls each time, and the last solution is one of all rows. Working sets
stay small, so that their kernels are matrix products and libsvm (scikit-learn's ``SVC``) only iterates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.models.fitted import Work

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
    points: Points, labels: NDArray[np.int64], pairs: Sequence[Pair], rows: Sequence[Rows], C: float, work: Work, what: str
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
