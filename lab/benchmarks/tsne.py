"""The default t-SNE map against scikit-learn's t-SNE: the same rows, one run, one thread each.

    OMP_NUM_THREADS=1 python lab/benchmarks/tsne.py [SOURCE] [--rows N] [--seeds S]

SOURCE is a path or a data set's name (mnist by default). Both get the same 50 principal components of the same N
rows, drawn at random. Prints CPU seconds, their ratio, and the share of each row's ten nearest on the map that
have its label. scikit-learn runs with its defaults (Barnes-Hut, perplexity 30, 1,000 rounds).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from tenfold.data.load import load
from tenfold.exploration.maps.tsne import DEFAULT, fit_tsne
from tenfold.exploration.statistics import fit_pca, neighbour_agreement


def measured(name: str, labels: NDArray[np.int64], work: Callable[[], NDArray[np.float32]]) -> tuple[float, float]:
    began = time.process_time()
    places = work()
    seconds = time.process_time() - began
    agreement = neighbour_agreement(places, labels)
    print(f"{name:<16} {seconds:8.1f} s CPU, neighbour agreement {agreement:.4f}", flush=True)
    return seconds, agreement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="?", default="mnist")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    data = load(chosen.source)
    for seed in range(chosen.seeds):
        rows = np.random.default_rng(seed).permutation(len(data))[: chosen.rows]
        images, labels = data.images[rows], data.truth[rows]
        points = fit_pca(images).transform(images, DEFAULT.components)
        print(f"seed {seed}: {len(rows):,} rows, {points.shape[1]} components")

        def ours(points: NDArray[np.float32] = points, seed: int = seed) -> NDArray[np.float32]:
            return fit_tsne(points, seed=seed, threads=1).places

        def theirs(points: NDArray[np.float32] = points, seed: int = seed) -> NDArray[np.float32]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return TSNE(init="pca", random_state=seed, n_jobs=1).fit_transform(points)

        (quick, near), (slow, far) = measured("tenfold", labels, ours), measured("scikit-learn", labels, theirs)
        print(f"{slow / quick:.1f} times less CPU, agreement {near - far:+.4f}")


if __name__ == "__main__":
    main()
