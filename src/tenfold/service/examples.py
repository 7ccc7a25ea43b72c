"""Labelled images: those that the page's users keep, and MNIST's that it shows."""

from __future__ import annotations

import hashlib
import io
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.errors import TenfoldError
from tenfold.files import make_directory, write_bytes
from tenfold.service.observability import Fault
from tenfold.values.names import LONGEST, folder_of_class

SHOWN = 20
"""Classes that an error names."""


class Examples:
    """The folder, with a limit: a page must not fill a disk."""

    def __init__(self, folder: Path, class_names: tuple[str, ...], most: int) -> None:
        self.folder = folder
        self.class_names = class_names
        self.most = most

    def keep(self, image: NDArray[np.uint8], label: str) -> int:
        """Write the grey image (H, W) below the folder of ``label``; the number of its images now.

        The name is a hash of the pixels: the same drawing is kept once. The folder is named after the class,
        with ``%2F`` for ``/`` and so on, which reading the folder turns back. What is there is counted each time, as
        other workers write, too; the service asks one of them at a time.

        Raises:
            Fault: 422 not a class, 409 the folder is full, 507 the disk is.
        """
        if label not in self.class_names:
            names = ", ".join(self.class_names[:SHOWN]) + (" ..." if len(self.class_names) > SHOWN else "")
            raise Fault(422, f"found {label[:LONGEST]!r}, expected one of {names}", field="label")
        path = self.folder / folder_of_class(label) / f"{hashlib.sha256(image.tobytes()).hexdigest()[:32]}.png"
        counts = {name: len(list((self.folder / folder_of_class(name)).glob("*.png"))) for name in self.class_names}
        if path.exists():
            return counts[label]
        if sum(counts.values()) >= self.most:
            raise Fault(409, f"{self.most:,} examples are kept, which is the limit", code="full")
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        try:
            make_directory(path.parent)
            write_bytes(path, content.getbuffer())
        except TenfoldError as error:
            print(error, file=sys.stderr)  # into the log
            raise Fault(
                507, "the example could not be written: the disk is full, or refuses; the log has more"
            ) from None
        return counts[label] + 1


PER_CLASS = 20


def sample_row(count: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """``count`` images with their labels, in a random order; none without MNIST."""
    kept = _kept()
    if not kept:
        return []
    return [kept[int(i)] for i in generator.permutation(len(kept))[:count]]


@cache
def _kept() -> list[dict[str, Any]]:
    from tenfold.data.load import load
    from tenfold.data.sources import SOURCES

    if SOURCES.get("mnist").cached_in() is None:  # type: ignore[attr-defined]
        return []
    try:
        data = load("mnist", "test")
    except TenfoldError:
        return []
    rows = np.concatenate([np.flatnonzero(data.truth == k)[:PER_CLASS] for k in range(len(data.class_names))])
    return [{"pixels": data.images[row, 0].tolist(), "label": data.class_names[data.truth[row]]} for row in rows]
