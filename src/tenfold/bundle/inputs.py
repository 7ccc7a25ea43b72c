"""What a bundle is asked to read: any source, or a single image file of exactly its size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from tenfold.bundle.loaded import Bundle
from tenfold.bundle.manifest import DARK
from tenfold.data.files import first_bytes
from tenfold.data.images import recognise_format
from tenfold.data.load import DEFAULT, load, load_blocks, load_image, load_pieces, named_sources
from tenfold.data.options import ReadOptions, Role
from tenfold.data.remote import is_url, local_path
from tenfold.data.sources import Block, Piece
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset

_CONTAINERS = frozenset({None, "ZIP", "gzip"})
"""What :func:`recognise_format` says of files that are no images themselves."""
_END = 1 << 16
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_input(source: str | Path, bundle: Bundle, options: ReadOptions = DEFAULT, role: Role = "test") -> Dataset:
    """The images of ``source`` as ``bundle`` takes them, with labels where the source has them.

    Args:
        source: a data set's name, a path that :func:`~tenfold.data.load.load` reads, or one image file.
        bundle: decides the size of the images and the names of the classes.
        options: how to read tables and folders; shape and class names are the bundle's.
        role: which part of the source.

    Raises:
        DataError: not readable, or images of another size.
        IntegrityError: the classes are not the bundle's.
    """
    if is_image(source):
        return _single_image(source, bundle)
    return load(source, role, _fitting(options, bundle))


def input_blocks(source: str, bundle: Bundle, options: ReadOptions, rows: int, piece: Piece | None = None) -> Iterator[Block]:
    """What :func:`read_input` reads, ``rows`` images at a time; see :func:`~tenfold.data.load.load_blocks`."""
    if is_image(source):
        return iter([Block(_single_image(source, bundle), 1.0)])
    return load_blocks(source, "test", _fitting(options, bundle), rows, piece)


def input_pieces(source: str, bundle: Bundle, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
    """Stretches for :func:`input_blocks`."""
    return iter([None]) if is_image(source) else load_pieces(source, "test", _fitting(options, bundle), rows)


def is_image(source: str | Path) -> bool:
    """Whether ``source`` is one image file."""
    if is_url(source):  # told by its name: it may be large, and far away
        return PurePosixPath(str(source)).suffix.lower() in _ENDINGS
    return str(source) not in named_sources() and recognise_format(first_bytes(Path(source))) not in _CONTAINERS


def thumbprint(source: str) -> str | None:
    """What tells two files of one name on two machines apart at the price of an open: a hash of size, beginning and end.

    None for what is no file here: URLs, whose copies are named after what the store says of them, names and folders.
    """
    if is_url(source) or source in named_sources() or not Path(source).is_file():
        return None
    with open(source, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(f"{size}\0".encode())
        for place in (0, max(0, size - _END)):
            file.seek(place)
            digest.update(file.read(_END))
    return digest.hexdigest()


def _fitting(options: ReadOptions, bundle: Bundle) -> ReadOptions:
    return replace(options, shape=bundle.image_shape, class_names=bundle.class_names)


def polarity_warning(data: Dataset, bundle: Bundle) -> str | None:
    """A sentence if ``data`` looks like dark ink on a light background, but the training images were the reverse."""
    return polarity_of(float(data.images.mean()) if len(data) else 0.0, bundle)


def polarity_of(mean: float, bundle: Bundle) -> str | None:
    """:func:`polarity_warning` for images whose mean level, 0..255, is known."""
    if mean > 128 and bundle.manifest.pixel_mean < DARK:
        return (
            f"the images look like dark ink on light ground (mean level {mean:.0f}, training images "
            f"{bundle.manifest.pixel_mean:.0f}); expect wrong answers, or invert them first"
        )
    return None


def _single_image(source: str | Path, bundle: Bundle) -> Dataset:
    channels, height, width = bundle.image_shape
    path = local_path(source)
    pixels = load_image(path, channels)
    if pixels.shape != bundle.image_shape:
        raise DataError(
            Problem(
                path,
                f"an image of {pixels.shape[2]} x {pixels.shape[1]} pixels",
                f"{width} x {height}, the size that this model was trained on",
                hint="crop and scale it first",
            )
        )
    return Dataset(pixels[None], None, np.array([str(source)]), bundle.class_names)
