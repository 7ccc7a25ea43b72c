"""Whether neighbours on a map carry the same label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import missing_extra


def neighbour_agreement(places: NDArray[Any], labels: NDArray[np.int64], neighbours: int = 10) -> float:
    """Share of the ``neighbours`` nearest rows on a plane that have their row's label, over all rows.

    Args:
        places: (N, 2), N >= 2.
        labels: (N,).
        neighbours: looked at around each row; at most N - 1.

    Raises:
        ResourceError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise missing_extra("scipy", "explore", "looking for neighbours on a map") from error

    neighbours = min(neighbours, len(places) - 1)
    _, found = cKDTree(places).query(places, k=neighbours + 1)
    others = found[:, 1:]  # each row finds itself first
    return float((labels[others] == labels[:, None]).mean())
