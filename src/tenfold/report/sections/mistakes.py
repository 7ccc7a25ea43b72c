"""The images themselves: misread, nearly misread, with a doubtful label, and explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.label_issues import label_issues
from tenfold.evaluation.metrics import hardest_rows, mistaken_rows, nearest_neighbours
from tenfold.report.sections import Material, section
from tenfold.report.sprites import Sheet, over, sheet
from tenfold.values.dataset import Dataset
from tenfold.values.display import shown_size
from tenfold.values.predictions import Predictions

if TYPE_CHECKING:
    from tenfold.evaluation.attribution import Attribution, Explanation

MOST_TILES = 1000
MOST_PIXELS = 800_000
"""Bytes of raw pixels in one report: keeps the page below 3 MB whatever the images are."""
ALTERNATIVES = 3
"""Most probable classes shown with a mistake; the truth is added where it is not among them."""
NEIGHBOURS = 3
NEIGHBOUR_PIXELS = 400_000
"""As ``MOST_PIXELS``, for the training images shown beside mistakes."""
HARDEST = 24
RIGHT, RIGHT_PIXELS = 24, 200_000
"""Images of each class that were read right, for the diagonal of the confusion matrix."""
SUSPECTS, SUSPECT_PIXELS = 24, 100_000
"""Suspected labels in a report, which has to stay small; the page of ``tenfold data review`` has them all."""
MOST_VOTES = 20
"""Members up to which each one's vote stands with a mistake."""


@dataclass(frozen=True)
class Neighbour:
    """A training image that looks alike: its label, how far it is (Euclidean, in levels 0..255), its place on the
    sheet.
    """

    label: int
    distance: float
    cell: str


@dataclass(frozen=True)
class Tile:
    """One image. ``cell`` selects its picture on the sheet and is empty where there is no picture.

    ``votes`` are the classes that the members gave, in their order; empty if they are not at hand.
    """

    id: str
    true: int
    predicted: int
    confidence: float
    alternatives: list[tuple[int, float]]
    cell: str
    votes: list[int]
    neighbours: list[Neighbour]


@dataclass(frozen=True)
class Tiles:
    """Pictures with what was made of them; ``near`` holds the neighbours of those that have any."""

    tiles: list[Tile]
    sheet: Sheet | None
    near: Sheet | None


@dataclass(frozen=True)
class Mistakes(Tiles):
    """``tiles``, most confident first: all mistakes, or a fair choice where ``total`` is larger."""

    total: int


@dataclass(frozen=True)
class Beside:
    """Shown with an image besides the vote of all.

    Attributes:
        images: uint8 (N, C, H, W), the images themselves.
        votes: (M, N) the classes that the members gave.
        train: the labelled images that the model learnt from.
    """

    images: NDArray[np.uint8] | None = None
    votes: NDArray[np.int64] | None = None
    train: Dataset | None = None


def mistakes(made: Predictions, beside: Beside) -> Mistakes:
    """The section for labelled predictions."""
    wrong = mistaken_rows(made.truth, made.probabilities)
    rows = fair_choice(wrong, made.truth[wrong], made.predicted[wrong], _room(beside.images, MOST_PIXELS))
    shown = _tiles(made, rows, beside)
    return Mistakes(shown.tiles, shown.sheet, shown.near, len(wrong))


def hardest(made: Predictions, beside: Beside) -> Tiles:
    """The images that were read right with the least probability, hardest first."""
    rows = hardest_rows(made.truth, made.probabilities)
    rows = rows[made.correct[rows]][: min(HARDEST, _room(beside.images, NEIGHBOUR_PIXELS))]
    return _tiles(made, rows, Beside(beside.images, beside.votes))


def suspects(made: Predictions, beside: Beside) -> Mistakes:
    """The images whose label is probably wrong, least believable first; ``predicted`` is what they look like."""
    found = label_issues(made.truth, made.probabilities).rows
    rows = found[: min(SUSPECTS, _room(beside.images, SUSPECT_PIXELS))]
    shown = _tiles(made, rows, Beside(beside.images, beside.votes))
    return Mistakes(shown.tiles, shown.sheet, shown.near, len(found))


def read_right(made: Predictions, beside: Beside) -> Tiles:
    """Of each class the images that were read right, least sure first, as many of each as fit."""
    right = np.flatnonzero(made.truth == made.predicted)
    doubtful = right[np.argsort(made.probabilities[right].max(axis=1), kind="stable")]
    classes = made.probabilities.shape[1]
    most = max(1, min(RIGHT, _room(beside.images, RIGHT_PIXELS) // classes))
    chosen = [doubtful[made.truth[doubtful] == k][:most] for k in range(classes)]
    return _tiles(made, np.concatenate(chosen), Beside(beside.images, beside.votes))


def _beside(of: Material) -> Beside:
    votes = np.stack([some.argmax(axis=1) for some in of.members]) if len(of.members) else None
    return Beside(of.images, votes, of.train)


@section(
    "mistakes", "Mistakes", 40, needs=("made",),
    sprites=lambda found: {"mistake": found.sheet, "near-by": found.near},
)  # fmt: skip
def _mistakes(of: Material) -> Mistakes:
    assert of.made is not None
    return mistakes(of.made, _beside(of))


@section("hardest", "Nearly misread", 45, needs=("made",), sprites=lambda found: {"hard": found.sheet})
def _hardest(of: Material) -> Tiles | None:
    assert of.made is not None
    found = hardest(of.made, _beside(of))
    return found if found.tiles else None


UNSURE = 50


@section("unsure", "Least sure", 48, needs=("unlabelled",), sprites=lambda found: {"unsure": found.sheet})
def _unsure(of: Material) -> Tiles | None:
    """The test images without labels of whose reading the model is the least sure."""
    assert of.unlabelled is not None
    images = of.unlabelled_images
    rows = np.argsort(of.unlabelled.confidence, kind="stable")[: min(UNSURE, _room(images, NEIGHBOUR_PIXELS))]
    if not len(rows):
        return None
    labelled = Predictions(of.unlabelled.ids, of.unlabelled.probabilities, of.unlabelled.predicted)
    return _tiles(labelled, rows, Beside(images))


@section("suspects", "Suspected labels", 50, needs=("made",), sprites=lambda found: {"doubted": found.sheet})
def _suspects(of: Material) -> Mistakes:
    assert of.made is not None
    return suspects(of.made, _beside(of))


@section(
    "looks", "What it looks at", 75, needs=("explanations",),
    sprites=lambda found: {"original": found.images, "heat": found.pictures},
)  # fmt: skip
def _looks(of: Material) -> Explained | None:
    return explained(of.explanations)


def _tiles(made: Predictions, rows: NDArray[np.int64], beside: Beside) -> Tiles:
    pictures = None if beside.images is None or not len(rows) else sheet(beside.images[rows])
    near, neighbours = _neighbours(rows, beside)
    tiles = [
        _tile(
            made,
            int(row),
            pictures.cell(place) if pictures else "",
            [] if beside.votes is None or len(beside.votes) > MOST_VOTES else beside.votes[:, row].tolist(),
            neighbours[place] if place < len(neighbours) else [],
        )
        for place, row in enumerate(rows)
    ]
    return Tiles(tiles, pictures, near)


def _neighbours(rows: NDArray[np.int64], beside: Beside) -> tuple[Sheet | None, list[list[Neighbour]]]:
    """The training images nearest to the first of ``rows``, as many as fit."""
    train = beside.train
    if beside.images is None or train is None or train.labels is None or not len(train) or not len(rows):
        return None, []
    served = rows[: _room(beside.images, NEIGHBOUR_PIXELS) // NEIGHBOURS]
    found, distances = nearest_neighbours(beside.images[served], train.images, NEIGHBOURS)
    if not found.size:
        return None, []
    pictures = sheet(train.images[found.ravel()])
    width = found.shape[1]
    return pictures, [
        [
            Neighbour(int(train.labels[row]), float(distance), pictures.cell(place * width + rank))
            for rank, (row, distance) in enumerate(zip(found[place], distances[place], strict=True))
        ]
        for place in range(len(served))
    ]


def fair_choice(
    rows: NDArray[np.int64], true: NDArray[np.int64], predicted: NDArray[np.int64], limit: int
) -> NDArray[np.int64]:
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


def _room(images: NDArray[np.uint8] | None, pixels: int) -> int:
    """How many pictures fit into so many bytes of raw pixels."""
    if images is None:
        return MOST_TILES
    height, width = shown_size(images.shape[1:])
    return max(1, min(MOST_TILES, pixels // (height * width * min(images.shape[1], 3))))


def _tile(made: Predictions, row: int, cell: str, votes: list[int], neighbours: list[Neighbour]) -> Tile:
    probabilities = made.probabilities[row]
    true = int(made.truth[row])
    best = np.argsort(-probabilities, kind="stable")[:ALTERNATIVES].tolist()
    return Tile(
        id=str(made.ids[row]),
        true=true,
        predicted=best[0],
        confidence=float(probabilities[best[0]]),
        alternatives=[(k, float(probabilities[k])) for k in (best if true in best else [*best, true])],
        cell=cell,
        votes=votes,
        neighbours=neighbours,
    )


@dataclass(frozen=True)
class Look:
    """One class: cells of the sheet for Grad-CAM, integrated gradients, occlusion; empty where there is no picture."""

    target: int
    cells: list[str]


@dataclass(frozen=True)
class Item:
    """One image; ``cell`` selects it on the sheet of images."""

    id: str
    cell: str
    label: int | None
    predicted: int
    alternatives: list[tuple[int, float]]
    looks: list[Look]


@dataclass(frozen=True)
class Explained:
    """``pictures`` holds the heat over the images, ``images`` the images themselves."""

    items: list[Item]
    images: Sheet
    pictures: Sheet


def explained(found: Sequence[Explanation]) -> Explained | None:
    """The section; None without an image."""
    if not found:
        return None
    images = sheet(np.stack([one.image for one in found]))
    pictures = [
        over(one.image, values)
        for one in found
        for look in one.attributions
        for values in _ways(look)
        if values is not None
    ]
    heats = sheet(np.stack(pictures))
    cells = iter(range(len(pictures)))
    items = [
        Item(
            one.id,
            images.cell(place),
            one.label,
            one.predicted,
            [
                (k, float(one.probabilities[k]))
                for k in np.argsort(-one.probabilities, kind="stable")[:ALTERNATIVES].tolist()
            ],
            [
                Look(look.target, [heats.cell(next(cells)) if values is not None else "" for values in _ways(look)])
                for look in one.attributions
            ],
        )
        for place, one in enumerate(found)
    ]
    return Explained(items, images, heats)


def _ways(look: Attribution) -> tuple[NDArray[np.float32] | None, ...]:
    return look.grad_cam, look.integrated_gradients, look.occlusion
