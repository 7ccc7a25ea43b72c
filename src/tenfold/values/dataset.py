"""A table of images: what every source produces and everything else consumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Origin:
    """A file that data came from: its path as given and the SHA-256 of its content."""

    path: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their ids and, where known, labels. Frozen: the arrays are made read-only.

    Attributes:
        images: uint8 (N, C, H, W); 0 is background, 255 full ink, for MNIST-like sets.
        labels: int64 (N,), each in 0..K-1, or None where unknown.
        ids: (N,) int64 or text; what a submission echoes. Unique within one dataset.
        class_names: K names; ``labels`` index into them.
        origin: the files the data came from.
        notes: what the reader wants the user to know (columns reordered, files skipped).

    Example:
        >>> import numpy as np, tenfold
        >>> pixels = np.zeros((3, 1, 28, 28), np.uint8)
        >>> data = tenfold.Dataset(pixels, np.array([0, 1, 0]), np.arange(1, 4), ("zero", "one"))
        >>> data.take([0, 2])
        Dataset(2 labelled images of 1x28x28, 2 classes)
        >>> image, label = data[1]  # uint8 (C, H, W) and a number, as torch's DataLoader wants them
        >>> image.shape, label
        ((1, 28, 28), 1)
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    ids: NDArray[Any]
    class_names: tuple[str, ...]
    origin: tuple[Origin, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 (N, C, H, W), got {self.images.dtype} {self.images.shape}")
        if self.labels is not None:
            if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
                raise ValueError(
                    f"labels must be int64 ({len(self.images)},), got {self.labels.dtype} {self.labels.shape}"
                )
            if self.labels.size and not (0 <= self.labels.min() and self.labels.max() < len(self.class_names)):
                raise ValueError(
                    f"labels must be in 0..{len(self.class_names) - 1}, got {self.labels.min()}..{self.labels.max()}"
                )
        if self.ids.shape != (len(self.images),):
            raise ValueError(f"ids must have shape ({len(self.images)},), got {self.ids.shape}")
        for array in (self.images, self.labels, self.ids):
            if array is not None and array.flags.writeable:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: Any) -> Any:
        """Of a number the image uint8 (C, H, W), a copy, with its label if there is one; of a slice, a mask or rows
        the dataset of these.
        """
        if isinstance(row, slice):
            return self.take(range(*row.indices(len(self))))
        if not isinstance(row, int | np.integer):
            return self.take(np.arange(len(self))[row])
        image = self.images[row].copy()
        return image if self.labels is None else (image, int(self.labels[row]))

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        n, c, h, w = self.images.shape
        known = "labelled" if self.labels is not None else "unlabelled"
        return f"Dataset({n:,} {known} images of {c}x{h}x{w}, {len(self.class_names)} classes)"

    def _repr_html_(self) -> str:
        """In a notebook: the counts of the classes and the first images."""
        from tenfold.values import display  # only notebooks need Pillow for this

        rows: dict[str, object] = {"ids": f"{self.ids[0]} to {self.ids[-1]}"} if len(self) else {}
        if self.labels is not None:
            counts = np.bincount(self.labels, minlength=len(self.class_names))
            rows["classes"] = ", ".join(
                f"{name}: {count:,}" for name, count in zip(self.class_names, counts, strict=True)
            )
        rows["files"] = ", ".join(origin.path for origin in self.origin) or "none, made in memory"
        shown = display.picture(self.images, "the first images") if len(self) else ""
        return display.table(repr(self), rows) + shown

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) the labels of a set that has them.

        Raises:
            ValueError: they are not known.
        """
        if self.labels is None:
            raise ValueError("these images have no labels")
        return self.labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, c, h, w = self.images.shape
        return c, h, w

    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of everything a model could depend on: pixels, labels, ids and class names."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        header = {"shape": self.images.shape, "classes": self.class_names, "labelled": self.labels is not None}
        digest.update(json.dumps(header).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).data)
        ids = (
            self.ids.astype(np.int64).tobytes()
            if self.ids.dtype.kind in "iu"
            else "\0".join(map(str, self.ids)).encode()
        )
        digest.update(ids)
        return digest.hexdigest()

    def between(self, start: int, stop: int) -> Dataset:
        """The images with row numbers in ``start..stop - 1``, as views; without ``origin``."""
        rows = slice(start, stop)
        labels = None if self.labels is None else self.labels[rows]
        return Dataset(self.images[rows], labels, self.ids[rows], self.class_names, notes=self.notes)

    def take(self, rows: NDArray[np.integer[Any]] | Sequence[int]) -> Dataset:
        """The dataset of only these ``rows`` (R,), in that order."""
        index = np.asarray(rows, dtype=np.int64)
        labels = None if self.labels is None else self.labels[index]
        return replace(self, images=self.images[index], labels=labels, ids=self.ids[index])

    def without_labels(self) -> Dataset:
        """The same images with labels forgotten."""
        return replace(self, labels=None)
