"""How the confusions faded: which classes were taken for which after each epoch, all members together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.report.sections.confusion import LARGEST

FIGURE = "validation_mistakes"


@dataclass(frozen=True)
class Evolution:
    """``epochs`` in order; ``mistakes`` of each, as [true, predicted, images] per pair; ``most`` is the largest count of all."""

    epochs: list[int]
    mistakes: list[list[list[int]]]
    totals: list[int]
    most: int


def evolution(histories: Sequence[Sequence[Mapping[str, Any]]], classes: int) -> Evolution | None:
    """The section for one history per member; None if fewer than two epochs recorded their confusions, or too many classes.

    A member that stopped early counts on with its last epoch, so that the sums stay comparable.
    """
    recorded = [{int(row["epoch"]): row[FIGURE] for row in history if row.get(FIGURE) is not None} for history in histories]
    recorded = [member for member in recorded if member]
    epochs = sorted({epoch for member in recorded for epoch in member})
    if len(epochs) < 2 or classes > LARGEST:
        return None
    sums: list[Counter[tuple[int, int]]] = []
    for epoch in epochs:
        together: Counter[tuple[int, int]] = Counter()
        for member in recorded:
            reached = [earlier for earlier in member if earlier <= epoch]
            if reached:
                together.update({(true, predicted): count for true, predicted, count in member[max(reached)]})
        sums.append(together)
    return Evolution(
        epochs=epochs,
        mistakes=[[[*pair, count] for pair, count in sorted(counts.items())] for counts in sums],
        totals=[counts.total() for counts in sums],
        most=max(max(counts.values(), default=0) for counts in sums),
    )
