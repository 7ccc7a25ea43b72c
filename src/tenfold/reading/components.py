"""Connected components: which pixels hang together, diagonals counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Boxes:
    """The bounding boxes of M components, each (M,) int64; right and bottom are exclusive."""

    left: NDArray[np.int64]
    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]
    area: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)

    @property
    def width(self) -> NDArray[np.int64]:
        return self.right - self.left

    @property
    def height(self) -> NDArray[np.int64]:
        return self.bottom - self.top


def label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the components of bool (H, W).

    Runs of pixels are joined with the runs they touch in the row above; the smallest number wins, with
    pointers halved in between (Shiloach & Vishkin 1982), so that the work is in array operations.

    Returns:
        int32 (H, W), 0 outside and 1..M inside, in the order of the components' first pixels; and M.
    """
    height, width = mask.shape
    framed = np.zeros((height, width + 2), np.int8)
    framed[:, 1:-1] = mask
    change = np.diff(framed, axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]  # exclusive
    if not len(rows):
        return np.zeros(mask.shape, np.int32), 0
    above, below = _touching(rows, starts, ends, width)
    parent = _joined(len(rows), above, below)
    _, number = np.unique(parent, return_inverse=True)
    steps = np.zeros((height, width + 1), np.int32)
    np.add.at(steps, (rows, starts), number + 1)
    np.add.at(steps, (rows, ends), -(number + 1))
    return steps.cumsum(axis=1, dtype=np.int32)[:, :-1], int(number.max()) + 1


def boxes(labels: NDArray[np.int32], count: int) -> Boxes:
    """The bounding boxes and pixel counts of components 1..``count``."""
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns] - 1
    left, top = np.full(count, labels.shape[1]), np.full(count, labels.shape[0])
    right, bottom = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.minimum.at(left, which, columns)
    np.minimum.at(top, which, rows)
    np.maximum.at(right, which, columns + 1)
    np.maximum.at(bottom, which, rows + 1)
    return Boxes(left, top, right, bottom, np.bincount(which, minlength=count))


def crossings(labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """(M,) how often a column of each of the components 1..``count`` is crossed on its way down, on average."""
    above = np.pad(labels, ((1, 0), (0, 0)))[:-1]
    starts = np.bincount(labels[(labels > 0) & (above != labels)], minlength=count + 1)[1:]
    return starts / np.maximum(boxes(labels, count).width, 1)


def _touching(
    rows: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs of neighbouring rows that touch, if only at a corner."""
    stride = width + 3
    above_row = (rows - 1) * stride
    # runs are sorted by (row, start), hence by (row, end): each touches a contiguous range of the row above
    first = np.searchsorted(rows * stride + ends, above_row + starts)
    last = np.searchsorted(rows * stride + starts, above_row + ends, side="right")
    counts = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(rows)), counts)
    offset = np.arange(len(below)) - np.repeat(counts.cumsum() - counts, counts)
    return np.repeat(first, counts) + offset, below


def _joined(count: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    parent = np.arange(count)
    while True:
        roots_a, roots_b = parent[a], parent[b]
        different = roots_a != roots_b
        if not different.any():
            return parent
        low, high = np.minimum(roots_a, roots_b)[different], np.maximum(roots_a, roots_b)[different]
        np.minimum.at(parent, high, low)
        while not np.array_equal(halved := parent[parent], parent):
            parent = halved
