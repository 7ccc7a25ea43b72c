"""Everything that is worth knowing about a data set, in one value."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding, Subject, check
from tenfold.data.checks.drift import Shift, shift
from tenfold.data.ink import InkMeasures
from tenfold.exploration.maps import FittedMap, MapMethod, plane
from tenfold.exploration.statistics import (
    LARGEST,
    ClassImages,
    Labels,
    Pca,
    Pixels,
    class_images,
    fit_pca,
    ink_per_class,
    labels,
    neighbour_agreement,
    pixels,
)
from tenfold.values.dataset import Dataset


class ProgressLines:
    """Prints to the error stream; on a terminal a part's line is written over, elsewhere it comes every tenth."""

    def __init__(self) -> None:
        self._said = ("", 0)

    def __call__(self, part: str, done: int, total: int) -> None:
        """A part begins, or goes on: ``done`` of ``total``."""
        on_terminal = sys.stderr.isatty()
        now = (part, 10 * done // total)
        if now != self._said and (part != self._said[0] or total > 1):
            text = f"{part} {done}/{total}" if part == self._said[0] else f"{part} ..."
            print(
                f"\r\x1b[K{text}" if on_terminal else text, end="" if on_terminal else "\n", file=sys.stderr, flush=True
            )
            self._said = now
        if on_terminal and done >= total:
            print(file=sys.stderr)


Progress = Callable[[str, int, int], None]
"""Called with the name of a part, how much of it is done, and how much there is."""

PCA = "PCA"
"""The map that is always made."""
FEWEST = 5
"""Images; below, there are no components and no maps."""
REDUCED = 0.95
"""Share of the variance that is kept where the distance to the components is measured."""


@dataclass(frozen=True)
class Map:
    """All images on a plane.

    Attributes:
        name: of the method.
        places: float32 (N + M, 2): the training images, then those of the test set.
        agreement: share of a training image's ten nearest that have its label; None without labels.
        note: how it was made.
    """

    name: str
    places: NDArray[np.float32]
    agreement: float | None
    note: str


@dataclass(frozen=True)
class Exploration:
    """Everything about a training set and, where there is one, a test set of the same shape.

    Attributes:
        splits: "train" and perhaps "test".
        pixels: of each split that has images.
        measures: of the ink, of each split.
        labels: counts and tests; None if nothing is labelled.
        class_ink: (K,) mean pixel of each training class, 0..255; None without labels.
        classes: the training classes as images; empty without labels.
        pca: of the training images, perhaps of smaller copies; None with too few of them.
        shrunk: images were averaged over blocks of this many pixels a side before ``pca``.
        maps: the best first.
        fitted: maps that take further points, by name; the first two components are always one.
        findings: of all checks, the quick ones first.
        pca_shift: how far the sets are from the components of the training set; None without a test set.
        seconds: what each part took.
    """

    splits: Mapping[str, Dataset]
    pixels: Mapping[str, Pixels]
    measures: Mapping[str, InkMeasures]
    labels: Labels | None
    class_ink: NDArray[np.float64] | None
    classes: list[ClassImages]
    pca: Pca | None
    shrunk: int
    maps: list[Map]
    fitted: Mapping[str, FittedMap]
    findings: list[Finding]
    pca_shift: Shift | None
    seconds: Mapping[str, float]

    def place(self, images: NDArray[np.uint8], name: str | None = None) -> NDArray[np.float32]:
        """(M, 2): where further images, uint8 (M, C, H, W) of the same shape, belong on a map.

        Args:
            images: not among those that the map was made of.
            name: of the map, such as "t-SNE"; None is the first.

        Raises:
            ValueError: there is no such map.
        """
        names = [some.name for some in self.maps]
        chosen = name or (names[0] if names else "of so few images")
        if self.pca is None or chosen not in names:
            raise ValueError(f"there is no map {chosen} to place images on; there are: {', '.join(names) or 'none'}")
        small = averaged(images, self.shrunk)
        if chosen not in self.fitted:
            return plane(self.pca.transform(small, 2))
        fitted = self.fitted[chosen]
        return fitted.place(self.pca.transform(small, fitted.components))


def examine(
    train: Dataset,
    test: Dataset | None = None,
    *,
    maps: Sequence[MapMethod] = (),
    further: Sequence[Finding] = (),
    progress: Progress | None = None,
) -> Exploration:
    """Look at a data set from all sides.

    Args:
        train: one image or more, with labels or without.
        test: compared with it, and placed on the maps of it; of another shape, only the checks see it.
        maps: how to make maps, the first to be shown first; that of the first two components is always made.
        further: findings of other checks of the training images, to stand beside those of this house.
        progress: hears each part begin and go on.

    Raises:
        ResourceError: a map's package is not installed.
    """
    for method in maps:
        method.check_installed()
    clock = _Clock(progress)
    alike = test is not None and len(test) > 0 and test.image_shape == train.image_shape
    splits = {"train": train} | ({"test": test} if alike and test is not None else {})
    with_labels = train.labels is not None
    clock.begins("pixels")
    summaries = {name: pixels(data.images) for name, data in splits.items()}
    subject = Subject(train, test)
    measures = {"train": subject.measures} | ({"test": subject.test_measures} if "test" in splits else {})
    clock.begins("classes")
    classes = class_images(train) if with_labels else []
    clock.begins("checks")
    findings = [*check(train, test, close=True, subject=subject), *further]
    clock.begins("principal components")
    shrunk = math.ceil(math.sqrt(math.prod(train.image_shape) / LARGEST))
    small = {name: averaged(data.images, shrunk) for name, data in splits.items()}
    pca = fit_pca(small["train"]) if len(train) >= FEWEST else None
    pca_shift = _pca_shift(pca, small) if pca and alike else None
    fitted = {method.name: _fitted(pca, small["train"], method, clock) for method in maps} if pca else {}
    return Exploration(
        splits=splits,
        pixels=summaries,
        measures=measures,
        labels=labels(splits),
        class_ink=ink_per_class(train) if with_labels else None,
        classes=classes,
        pca=pca,
        shrunk=shrunk,
        maps=_maps(pca, small, train.labels, maps, fitted, clock) if pca else [],
        fitted=fitted,
        findings=findings,
        pca_shift=pca_shift,
        seconds=clock.stopped(),
    )


def averaged(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """uint8 (N, C, H, W) averaged over blocks of ``side`` x ``side`` pixels; the rest at the edges is cut
    off.
    """
    if side <= 1:
        return images
    count, channels, height, width = images.shape
    rows, columns = height // side, width // side
    blocks = images[:, :, : rows * side, : columns * side].reshape(count, channels, rows, side, columns, side)
    return blocks.mean(axis=(3, 5)).round().astype(np.uint8)


def _fitted(pca: Pca, images: NDArray[np.uint8], method: MapMethod, clock: _Clock) -> FittedMap:
    clock.begins(method.name)
    points = pca.transform(images, method.components)
    return method.fit(points, progress=lambda done, total: clock.hears(method.name, done, total))


def _maps(
    pca: Pca,
    images: Mapping[str, NDArray[np.uint8]],
    known: NDArray[np.int64] | None,
    methods: Sequence[MapMethod],
    fitted: Mapping[str, FittedMap],
    clock: _Clock,
) -> list[Map]:
    """The maps that were fitted, with the test images placed on them, then that of the first two components."""

    def finished(name: str, places: list[NDArray[np.float32]], note: str) -> Map:
        agreement = None if known is None else neighbour_agreement(places[0], known)
        return Map(name, np.concatenate(places), agreement, note)

    maps = []
    for method in methods:
        some = fitted[method.name]
        places = [some.places]
        if "test" in images:
            clock.begins(f"{method.name} of the test set")
            places.append(some.place(pca.transform(images["test"], some.components)))
        maps.append(finished(method.name, places, method.note(some.components)))
    share = pca.explained[min(1, len(pca.mean) - 1)]
    flat = [plane(pca.transform(some, 2)) for some in images.values()]
    return [*maps, finished(PCA, flat, f"The first two principal components: {share:.0%} of the variance.")]


def _pca_shift(pca: Pca, images: Mapping[str, NDArray[np.uint8]]) -> Shift:
    count = pca.components_for(REDUCED)
    before, after = (pca.residuals(images[name], count) for name in ("train", "test"))
    return shift("distance to the principal components", before, after)


class _Clock:
    """Seconds of each part, and a call to ``progress``."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._part, self._began = "", time.monotonic()

    def begins(self, part: str) -> None:
        now = time.monotonic()
        if self._part:
            self._seconds[self._part] = now - self._began
        self._part, self._began = part, now
        self.hears(part, 0, 1)

    def hears(self, part: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(part, done, total)

    def stopped(self) -> dict[str, float]:
        self._seconds[self._part] = time.monotonic() - self._began
        self.hears(self._part, 1, 1)
        return self._seconds
