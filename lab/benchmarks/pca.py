"""Principal components by the covariance of the pixels, against scikit-learn's full decomposition of all rows.

    python lab/benchmarks/pca.py [SOURCE] [--rows N]

SOURCE is a path or a data set's name (mnist by default). Both run in this process, one after the other, with
the threads that OMP_NUM_THREADS allows; what counts is their ratio. Prints CPU and wall seconds, the ratio, the
number of components for 95 % of the variance, and how far apart the two subspaces of so many components are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from sklearn.decomposition import PCA

from tenfold.data.load import load
from tenfold.exploration.statistics import fit_pca

T = TypeVar("T")


def timed(name: str, work: Callable[[], T]) -> tuple[T, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<24} {wall:8.2f} s wall {cpu:8.2f} s CPU")
    return result, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="?", default="mnist")
    parser.add_argument("--rows", type=int)
    chosen = parser.parse_args()
    images = load(chosen.source).images[: chosen.rows]
    rows = images.reshape(len(images), -1)
    print(f"{len(rows):,} images of {rows.shape[1]} pixels")
    ours, quick = timed("tenfold", lambda: fit_pca(images))
    theirs, slow = timed("scikit-learn, full", lambda: PCA(svd_solver="full").fit(rows))
    count = ours.components_for(0.95)
    expected = int(np.searchsorted(np.cumsum(theirs.explained_variance_ratio_), 0.95)) + 1
    a, b = ours.components[:count], theirs.components_[:count]
    print(f"{slow / quick:.1f} times less CPU; components for 95 %: {count} and {expected}")
    print(f"largest difference of the projections onto them: {np.abs(a.T @ a - b.T @ b).max():.1e}")


if __name__ == "__main__":
    main()
