"""How the members of an ensemble become one opinion."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tenfold.values.predictions import PROBABILITY_FLOOR


def vote(members: Iterable[NDArray[np.float32]], how: str) -> NDArray[np.float32]:
    """Combine the probabilities (N, K) of members, taken one by one.

    ``mean`` is the soft vote; ``log-mean`` the normalised geometric mean, which trusts a member that
    excludes a class more than one that is sure of it.
    """
    total, count = np.zeros(()), 0
    for probabilities in members:
        total = total + (
            np.log(np.maximum(probabilities, PROBABILITY_FLOOR)) if how == "log-mean" else probabilities.astype(np.float64)
        )
        count += 1
    mean = total / count
    if how == "log-mean":
        mean = np.exp(mean - mean.max(axis=1, keepdims=True))
    mean /= mean.sum(axis=1, keepdims=True)
    return mean.astype(np.float32)
