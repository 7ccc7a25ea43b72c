"""Near duplicates as findings: inside a set, and between the training and the test set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, Severity, Subject, limited_ids, registered, row_id, share_of
from tenfold.data.checks.equal_images import DUPLICATE_SHARE, LEAK_SHARE
from tenfold.data.ink import Grid, blocks, centre_of_mass, ink
from tenfold.values.dataset import Dataset

Vectors = NDArray[np.float32]

_ROWS_AT_ONCE = 512
_RIDGE = 1e-5
"""Keeps the plane's equations solvable where two changes come to the same, as a turn of a disc and none."""


def tangent_distances(images: Vectors, others: Vectors, chosen: NDArray[np.int64], shape: tuple[int, int]) -> Vectors:
    """Squared distance of each image's plane from some of the others.

    Args:
        images: float32 (R, H * W).
        others: float32 (N, H * W), of length 1.
        chosen: int64 (R, T), which of the others are measured from each image.
        shape: (H, W).

    Returns:
        float32 (R, T), 0 for a copy, at most 1.
    """
    distances = np.empty(chosen.shape, np.float32)
    for start in range(0, len(images), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        plane = _plane(images[some].reshape(-1, *shape))
        across = plane @ others[chosen[some]].transpose(0, 2, 1)  # (R, 7, T)
        square = plane @ plane.transpose(0, 2, 1) + np.float32(_RIDGE) * np.eye(plane.shape[1], dtype=np.float32)
        distances[some] = 1 - (across * np.linalg.solve(square, across)).sum(axis=1)
    return np.maximum(distances, 0)


def _plane(images: Grid) -> Grid:
    """(R, 7, H * W): each image and what changes it by a little, of length 1 where there is any change."""
    count, height, width = images.shape
    down, right = np.gradient(images, axis=(1, 2))
    y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    blur = np.gradient(down, axis=1) + np.gradient(right, axis=2)
    brighter = np.ones_like(images)
    changes = [images, brighter, right, down, y * right - x * down, x * right + y * down, blur]
    plane = np.stack(changes, axis=1).reshape(count, len(changes), height * width).astype(np.float32)
    return plane / np.maximum(np.linalg.norm(plane, axis=2, keepdims=True), 1e-6)


CORRELATION = 0.96
"""Least correlation of a copy with its original."""
RATIO = 0.33
"""A copy's tangent distance is at most this share of the tangent distance to the look-alike of rank :data:`RANK`."""
FAINT = 0.05
"""Ink below is none."""
RANK = 3
"""Nearest rows up to this rank may be copies of one original."""
LOOK_ALIKES = 8
"""Rows that correlate most, whose tangent distances are measured."""
CERTAIN = 0.998
"""From this correlation on, look-alikes do not matter."""
FILTER_SIZE = 32
"""Principal components that rule out most pairs before pixels are compared."""
ENOUGH = 32
"""Pixels a side that larger images are reduced to."""
WIDE = 1024
"""Pixels, or rows, whose eigenvectors are found at once."""
_ROWS_AT_ONCE_NEAR_DUPLICATES = 1024


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows and how alike they are.

    Attributes:
        first: int64 (P,), rows of the reference.
        second: int64 (P,), rows of the other set, or of the same one.
        correlation: float32 (P,), in :data:`CORRELATION`..1.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)


def near_duplicates(
    reference: NDArray[np.uint8], others: NDArray[np.uint8] | None = None, known: Vectors | None = None
) -> Pairs:
    """Pairs that are almost the same image; equal images are among them, images of one grey level are not.

    Args:
        reference: uint8 (N, C, H, W).
        others: uint8 (M, C, H, W), compared with the reference; without it, the reference with itself,
            each pair once with ``first < second``.
        known: the reference, :func:`normalised`, if that was done before.

    Returns:
        For each of the other images at most its nearest, in the order of their rows.
    """
    known = normalised(_reduced(reference)) if known is None else known
    asked = known if others is None else normalised(_reduced(others))
    if not len(known) or not len(asked):
        return Pairs(*(np.zeros(0, dtype) for dtype in (np.int64, np.int64, np.float32)))  # type: ignore[arg-type]
    candidates = _candidates(known, asked, same=others is None)
    certain, rows = _certain(candidates), np.unique(candidates.second)
    rows = rows[~np.isin(rows, certain.second)]  # their look-alikes do not matter
    alike = _look_alikes(known, asked, candidates, rows, same=others is None)
    distances = tangent_distances(asked[rows], known, alike, _reduced(reference[:1]).shape[2:])
    order = np.argsort(distances, axis=1, kind="stable")
    best = np.take_along_axis(alike, order, axis=1)[:, 0]
    nearest, rival = (
        np.take_along_axis(distances, order, axis=1)[:, min(rank, alike.shape[1] - 1)] for rank in (0, RANK - 1)
    )
    correlation = np.einsum("ij,ij->i", known[best], asked[rows])
    alone = alike.shape[1] < RANK  # nobody else to be compared with
    accepted = (correlation >= CORRELATION) & ((nearest <= RATIO * rival) | alone)
    second = np.concatenate([certain.second, rows[accepted]])
    order = np.argsort(second, kind="stable")
    found = Pairs(
        np.concatenate([certain.first, best[accepted]])[order],
        second[order],
        np.concatenate([certain.correlation, correlation[accepted]])[order],
    )
    return _each_once(found) if others is None else found


def _certain(candidates: Pairs) -> Pairs:
    """Of each row with a candidate from :data:`CERTAIN` on the nearest of them."""
    order = np.lexsort((candidates.first, -candidates.correlation, candidates.second))
    order = order[candidates.correlation[order] >= CERTAIN]
    _, nearest = np.unique(candidates.second[order], return_index=True)
    kept = order[nearest]
    return Pairs(candidates.first[kept], candidates.second[kept], candidates.correlation[kept])


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, C, H, W) of at most some 60 pixels a side, by the means of squares: a copy shows in them, too."""
    height, width = images.shape[2:]
    factor = min(height, width) // ENOUGH
    if factor < 2:
        return images
    height, width = height // factor * factor, width // factor * factor
    squares = (*images.shape[:2], height // factor, factor, width // factor, factor)
    small = np.empty((*images.shape[:2], height // factor, width // factor), np.uint8)
    for block in blocks(len(images)):
        some = images[block, :, :height, :width]
        small[block] = some.reshape(len(some), *squares[1:]).mean(axis=(3, 5), dtype=np.float32)
    return small


def normalised(images: NDArray[np.uint8]) -> Vectors:
    """uint8 (N, C, H, W) as float32 (N, H * W): ink, centred, of mean 0 and length 1; all 0 for a blank image."""
    count, _, height, width = images.shape
    vectors = np.empty((count, height * width), np.float32)
    for block in blocks(count):
        rows = centred(without_strays(ink(images[block]))).reshape(-1, height * width)
        rows -= rows.mean(axis=1, keepdims=True)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        vectors[block] = np.where(length > 1e-3, rows / np.maximum(length, 1e-3), 0)
    return vectors


def without_strays(grid: Grid) -> Grid:
    """``grid`` (N, H, W) without ink on the two outermost lines of a side that no ink on the third continues.

    It is dirt, or a stroke's end that a shift brought round to the other side, and would pull the centre of mass away.
    """
    kept = grid.copy()
    for lines in (kept, kept.transpose(0, 2, 1)):
        for side in (lines, lines[:, ::-1]):
            for width in (1, 2):
                if side.shape[1] > 2 * width + 1:
                    side[side[:, width].max(axis=1) < FAINT, :width] = 0
    return kept


def centred(grid: Grid) -> Grid:
    """``grid`` (N, H, W) with every centre of mass in the middle, by bilinear interpolation."""
    x, y = centre_of_mass(grid)
    return _moved(_moved(grid, y).transpose(0, 2, 1), x).transpose(0, 2, 1)


def _moved(grid: Grid, distance: NDArray[np.float32]) -> Grid:
    """Each image (L, M) of ``grid`` moved up by its ``distance`` in pixels; 0 comes in."""
    count, length, _ = grid.shape
    whole = np.floor(distance).astype(np.int64)
    rest = (distance - whole)[:, None, None]
    padded = np.pad(grid, ((0, 0), (0, 1), (0, 0)))  # one row of 0, for every place outside
    place = np.arange(length) + whole[:, None]
    above = np.where((place >= 0) & (place < length), place, length)
    below = np.where((place >= -1) & (place < length - 1), place + 1, length)
    image = np.arange(count)[:, None]
    moved: Grid = padded[image, above] * (1 - rest) + padded[image, below] * rest
    return moved


def _candidates(known: Vectors, asked: Vectors, *, same: bool) -> Pairs:
    """All pairs from :data:`CORRELATION` on.

    A projection shortens distances, so what is too far apart in a few components is too far apart: the filter
    loses nothing.
    """
    basis = _basis(known)
    short, short_asked = known @ basis, asked @ basis
    # with these two columns more, one product gives minus half the squared distance
    half, half_asked = ((some**2).sum(axis=1, keepdims=True) / 2 for some in (short, short_asked))
    short, short_asked = (
        np.hstack([short, -half, -np.ones_like(half)]),
        np.hstack([short_asked, np.ones_like(half_asked), half_asked]),
    )
    first, second = [], []
    for start in range(0, len(asked), _ROWS_AT_ONCE_NEAR_DUPLICATES):
        block = slice(start, start + _ROWS_AT_ONCE_NEAR_DUPLICATES)
        up_to = block.stop if same else None  # one triangle of the square is enough
        close = short_asked[block] @ short[:up_to].T >= CORRELATION - 1 - 1e-5
        row, column = np.divmod(np.flatnonzero(close), close.shape[1])  # some times faster than nonzero of two axes
        row += start
        kept = row > column if same else slice(None)
        first.append(column[kept])
        second.append(row[kept])
    left, right = np.concatenate(first), np.concatenate(second)
    correlation = np.empty(len(left), np.float32)
    for some in blocks(len(left)):
        correlation[some] = np.einsum("ij,ij->i", known[left[some]], asked[right[some]])
    kept = correlation >= CORRELATION
    left, right, correlation = left[kept], right[kept], correlation[kept]
    if same:
        left, right, correlation = np.append(left, right), np.append(right, left), np.append(correlation, correlation)
    return Pairs(left, right, correlation)


def _basis(vectors: Vectors) -> Vectors:
    """(H * W, F): the directions in which the vectors vary most."""
    count, pixels = vectors.shape
    if pixels <= WIDE:
        sample = vectors[:: max(1, count // 10_000)]
        _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
        directions = directions[:, ::-1][:, :FILTER_SIZE]
    else:  # the eigenvectors of so many pixels take a minute; those of a few rows are mixed from these (Sirovich 1987)
        sample = vectors[:: max(1, -(-count // WIDE))]
        _, mixes = np.linalg.eigh((sample @ sample.T).astype(np.float64))
        directions, _ = np.linalg.qr(sample.T @ mixes[:, ::-1][:, :FILTER_SIZE])
    return np.ascontiguousarray(directions, dtype=np.float32)


def _look_alikes(
    known: Vectors, asked: Vectors, candidates: Pairs, rows: NDArray[np.int64], *, same: bool
) -> NDArray[np.int64]:
    """(R, T) the T known rows that correlate most with each of ``rows``, T at most :data:`LOOK_ALIKES`; never a row
    itself.

    Rows in dense places have them among their candidates; only for the others all known rows are looked at.
    """
    count = min(LOOK_ALIKES, len(known) - same)
    alike = np.empty((len(rows), count), np.int64)
    order = np.lexsort((-candidates.correlation, candidates.second))
    start = np.searchsorted(candidates.second[order], rows)
    dense = np.searchsorted(candidates.second[order], rows, side="right") - start >= count
    alike[dense] = candidates.first[order][start[dense, None] + np.arange(count)]
    sparse = np.flatnonzero(~dense)
    for begin in range(0, len(sparse), _ROWS_AT_ONCE_NEAR_DUPLICATES):
        some = sparse[begin : begin + _ROWS_AT_ONCE_NEAR_DUPLICATES]
        correlation = asked[rows[some]] @ known.T
        if same:
            correlation[np.arange(len(some)), rows[some]] = -np.inf
        alike[some] = _largest(correlation, count)
    return alike


def _largest(values: Vectors, count: int) -> NDArray[np.int64]:
    """(R, count): where the largest of each row of (R, N) are, in any order.

    They lie in the ``count`` stretches with the largest maxima; to look for these first is several times faster.
    """
    rows, length = values.shape
    width = max(1, math.isqrt(length // count))
    stretches = length // width
    if stretches <= count:
        return np.argpartition(-values, count - 1, axis=1)[:, :count]
    starts = np.arange(stretches) * width
    most = np.maximum.reduceat(values, starts, axis=1)  # the last stretch has what is left
    chosen = np.argpartition(-most, count - 1, axis=1)[:, :count]
    within = width + length - stretches * width
    places = np.minimum(starts[chosen][..., None] + np.arange(within), length - 1).reshape(rows, -1)
    inside = (np.arange(within) < np.where(chosen == stretches - 1, within, width)[..., None]).reshape(rows, -1)
    found = np.where(inside, np.take_along_axis(values, places, axis=1), -np.inf)
    best = np.argpartition(-found, count - 1, axis=1)[:, :count]
    return np.take_along_axis(places, best, axis=1)


def _each_once(pairs: Pairs) -> Pairs:
    """Pairs of one set, each once and in order."""
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    _, kept = np.unique(np.stack([high, low]), axis=1, return_index=True)
    return Pairs(low[kept], high[kept], pairs.correlation[kept])


FEWEST_PIXELS = 400
"""Smaller images hold too little to tell a copy from a look-alike."""
FIRST = 2000
"""Test rows that are looked at first before a training: they show as large a share of a leak as all do."""
PAIRS = 1_500_000_000
"""Of a training and a test row, at most so many are compared before a training; of larger sets, a sample's."""
NEAR_LEAK_SHARE = 0.05
"""Above this share of test rows with a changed copy in the training set, chance is ruled out."""
_TOO_SMALL = f"not looked for: below {FEWEST_PIXELS} pixels, copies and look-alikes cannot be told apart"


@registered("near-duplicates", 100)
def _near_duplicate_rows(subject: Subject) -> Finding:
    return near_duplicate_rows(subject.train)


@registered("near-leakage", 70, "same shape")
def _near_leakage(subject: Subject) -> Finding:
    train, test = subject.train, subject.tested
    if subject.close or _is_too_small(test):
        return near_leakage(train, test)
    known = normalised(_reduced(train.images))
    first = near_leakage(
        train, _some(test, FIRST), known, "test rows looked at"
    )  # copies of all rows would take many times as long
    return first if first.severity == "leak" else near_leakage(train, _some(test, PAIRS // len(train)), known)


def _some(data: Dataset, most: int) -> Dataset:
    """At most so many rows, evenly drawn."""
    return data if len(data) <= most else data.take(np.linspace(0, len(data) - 1, max(1, most)).astype(np.int64))


def near_duplicate_rows(data: Dataset) -> Finding:
    """Images that are almost, but not in every pixel, another one of the set."""
    name = "near-duplicates"
    if _is_too_small(data):
        return Finding(name, "note", 0, len(data), _TOO_SMALL)
    pairs = _unequal(near_duplicates(data.images), data, data)
    count = len(np.unique(pairs.second))
    if not count:
        return Finding(name, "note", 0, len(data), "no image is a changed copy of another one")
    severity: Severity = "warning" if count > DUPLICATE_SHARE * len(data) else "note"
    message = (
        f"{share_of(count, len(data), 'images')} look like changed copies of another one; look at them, and drop the"
        " copies"
    )
    both = np.stack([pairs.first, pairs.second], axis=1)
    return Finding(name, severity, count, len(data), message, limited_ids(data, both), _details(pairs))


def near_leakage(train: Dataset, test: Dataset, known: Vectors | None = None, noun: str = "test rows") -> Finding:
    """Test images that are almost, but not in every pixel, in the training set.

    Args:
        train: the images to learn from.
        test: the images to predict.
        known: the training images, :func:`normalised`, if that was done before.
        noun: what the message calls the test images.
    """
    name, total = "near-leakage", len(test)
    if _is_too_small(test):
        return Finding(name, "note", 0, total, _TOO_SMALL)
    pairs = _unequal(near_duplicates(train.images, test.images, known), train, test)
    count = len(pairs)
    if not count:
        return Finding(name, "note", 0, total, "no test image is a changed copy of a training image")
    share = share_of(count, total, noun)
    severity: Severity = (
        "leak" if count > NEAR_LEAK_SHARE * total else "warning" if count > LEAK_SHARE * total else "note"
    )
    advice = (
        "the score will measure memory; train on other data"
        if severity == "leak"
        else "by chance, or copies; look at them"
    )
    ids = tuple((row_id(train, i), row_id(test, j)) for i, j in zip(pairs.first, pairs.second, strict=True))
    message = f"{share} look like changed copies of training images: {advice}"
    return Finding(
        name, severity, count, total, message, ids[: len(limited_ids(test, pairs.second[:, None]))], _details(pairs)
    )


def _is_too_small(data: Dataset) -> bool:
    _, height, width = data.image_shape
    return height * width < FEWEST_PIXELS


def _unequal(pairs: Pairs, first: Dataset, second: Dataset) -> Pairs:
    """The pairs whose images differ in some pixel: equal ones are another check's."""
    equal = (first.images[pairs.first] == second.images[pairs.second]).all(axis=(1, 2, 3))
    kept: NDArray[np.int64] = np.flatnonzero(~equal)
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.correlation[kept])


def _details(pairs: Pairs) -> dict[str, list[float]]:
    return {"correlations": [round(float(value), 4) for value in pairs.correlation[:1000]]}
