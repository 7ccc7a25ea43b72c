"""The misclassified images themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.mistakes import mistaken_rows
from tenfold.report.sprites import Sheet, sheet
from tenfold.values.predictions import Predictions
from tenfold.values.thumbnails import shown_size

MOST_TILES = 1000
MOST_PIXELS = 1_200_000
"""Bytes of raw pixels in one report: keeps the page below 3 MB whatever the images are."""
ALTERNATIVES = 3
"""Most probable classes shown with a mistake; the truth is added where it is not among them."""


@dataclass(frozen=True)
class Tile:
    """One mistake. ``cell`` selects its picture on the sheet and is empty where there is no picture."""

    id: str
    true: int
    predicted: int
    confidence: float
    alternatives: list[tuple[int, float]]
    cell: str


@dataclass(frozen=True)
class Mistakes:
    """``tiles``, most confident first: all mistakes, or a fair choice where ``total`` is larger."""

    tiles: list[Tile]
    total: int
    sheet: Sheet | None


def mistakes(made: Predictions, images: NDArray[np.uint8] | None) -> Mistakes:
    """The section for labelled predictions and the uint8 (N, C, H, W) images behind them, if at hand."""
    assert made.labels is not None
    wrong = mistaken_rows(made.labels, made.probabilities)
    rows = fair_choice(wrong, made.labels[wrong], made.predicted[wrong], _room(images))
    pictures = None if images is None or not len(rows) else sheet(images[rows])
    tiles = [_tile(made, int(row), pictures.cell(place) if pictures else "") for place, row in enumerate(rows)]
    return Mistakes(tiles, len(wrong), pictures)


def fair_choice(rows: NDArray[np.int64], true: NDArray[np.int64], predicted: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most ``limit`` of ``rows`` (M,), in order, drawn evenly from the pairs (true, predicted).

    The first of every pair comes before the second of any, so no cell of the confusion matrix goes empty
    because another is full.
    """
    if len(rows) <= limit:
        return rows
    seen: dict[tuple[Any, Any], int] = {}
    rank = np.empty(len(rows), dtype=np.int64)
    for place, pair in enumerate(zip(true.tolist(), predicted.tolist(), strict=True)):
        rank[place] = seen[pair] = seen.get(pair, -1) + 1
    return rows[np.sort(np.argsort(rank, kind="stable")[:limit])]


def _room(images: NDArray[np.uint8] | None) -> int:
    """How many pictures fit."""
    if images is None:
        return MOST_TILES
    height, width = shown_size(images.shape[1:])
    return max(1, min(MOST_TILES, MOST_PIXELS // (height * width * min(images.shape[1], 3))))


def _tile(made: Predictions, row: int, cell: str) -> Tile:
    assert made.labels is not None
    probabilities = made.probabilities[row]
    true = int(made.labels[row])
    best = np.argsort(-probabilities, kind="stable")[:ALTERNATIVES].tolist()
    return Tile(
        id=str(made.ids[row]),
        true=true,
        predicted=best[0],
        confidence=float(probabilities[best[0]]),
        alternatives=[(k, float(probabilities[k])) for k in (best if true in best else [*best, true])],
        cell=cell,
    )
