"""How the confusion matrix of the rows held out changed from epoch to epoch, all members together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.report.sections.confusion import LARGEST
from tenfold.values.predictions import Predictions

FIGURE = "validation_mistakes"


@dataclass(frozen=True)
class Evolution:
    """``epochs`` in order; ``mistakes`` of each, as [true, predicted, images] per pair; ``most`` is the largest count of all.

    ``right`` has, for each epoch, how many images of each of the K classes were read right; it is empty where nobody knows how
    many there are.
    """

    epochs: list[int]
    mistakes: list[list[list[int]]]
    right: list[list[int]]
    totals: list[int]
    most: int
    members: int


def evolution(
    histories: Sequence[Sequence[Mapping[str, Any]]], classes: int, held: Predictions | None = None
) -> Evolution | None:
    """The section for one history per member; None if fewer than two epochs recorded their confusions, or too many classes.

    A member that stopped early counts on with its last epoch, so that the sums stay comparable.

    Args:
        histories: those of the members.
        classes: K.
        held: predictions of the rows held out, if these were the same for all members.
    """
    recorded = [{int(row["epoch"]): row[FIGURE] for row in history if row.get(FIGURE) is not None} for history in histories]
    recorded = [member for member in recorded if member]
    epochs = sorted({epoch for member in recorded for epoch in member})
    if len(epochs) < 2 or classes > LARGEST:
        return None
    images = None if held is None or held.labels is None else np.bincount(held.labels, minlength=classes)
    sums: list[Counter[tuple[int, int]]] = []
    right: list[list[int]] = []
    for epoch in epochs:
        together: Counter[tuple[int, int]] = Counter()
        begun = [member[max(earlier)] for member in recorded if (earlier := [one for one in member if one <= epoch])]
        for mistakes in begun:
            together.update({(true, predicted): count for true, predicted, count in mistakes})
        sums.append(together)
        if images is not None:
            missed = [sum(count for (true, _), count in together.items() if true == k) for k in range(classes)]
            right.append([len(begun) * int(images[k]) - missed[k] for k in range(classes)])
    return Evolution(
        epochs=epochs,
        mistakes=[[[*pair, count] for pair, count in sorted(counts.items())] for counts in sums],
        right=right,
        totals=[counts.total() for counts in sums],
        members=len(recorded),
        most=max(max(counts.values(), default=0) for counts in sums),
    )
