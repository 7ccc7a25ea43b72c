"""From what the user wrote to a dataset."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.data import ReadOptions, Role
from tenfold.data.archive import is_archive_of_images, unpacked
from tenfold.data.cache import keep, key_of, recall
from tenfold.data.fetch import local_path
from tenfold.data.images import brought_to
from tenfold.data.joined import joined, parts_of
from tenfold.data.layout import looked_at, part_of
from tenfold.data.memory import WHERE, dataset_of
from tenfold.data.sources import SOURCES, Block, Piece, Source
from tenfold.data.streams import first_bytes, hash_file, looks_like, open_regular
from tenfold.errors import DataError, Problem, ResourceError
from tenfold.values.dataset import Dataset, Origin

DEFAULT = ReadOptions()
_COMPARED_NAMES = 10_000


def load(source: Any, role: Role = "train", options: ReadOptions = DEFAULT, *, cache: bool = True) -> Dataset:
    """The images of ``role`` in ``source``.

    Args:
        source: a data set's name ("mnist"), a path or a URL. A name wins; write ``./mnist`` for a path of that name.
            Or what is in memory: pixels, a pair (pixels, labels) or a frame; see :mod:`tenfold.data.memory`.
        role: "train" insists on labels of two classes or more; "test" takes labels if they are there.
        options: how to read it.
        cache: keep a parsed copy of slow formats, and use it.

    Raises:
        DataError: missing, of no known format, or not what it should be; nothing was written.
        ResourceError: the operating system refused.

    Example:
        >>> import tenfold
        >>> digits = tenfold.load("train.csv")
        >>> digits.images.dtype, digits.image_shape, digits.class_names[:3]
        (dtype('uint8'), (1, 28, 28), ('0', '1', '2'))
    """
    if not isinstance(source, str | Path):
        if isinstance(source, Dataset):
            return _brought(source, options)
        made = _brought(dataset_of(source, role, options), options)
        if role == "train":
            _insist_on_classes(WHERE, made)
        return made
    if not str(source):
        raise DataError(Problem("''", "an empty name", "a path, a URL or the name of a data set"))
    if len(parts := parts_of(str(source))) > 1:
        return joined([load(part, role, options, cache=cache) for part in parts], parts)
    if _is_name(source):
        return _brought(SOURCES.get(str(source)).read(None, role, options), options)
    here = local_path(source, options.max_input_bytes)
    with unpacked(here, options.max_input_bytes) as path:
        part = part_of(path, role)
        data = _brought(looked_at(_read(part, role, options, cache=cache), part), options)
    if path == here:
        return data
    return replace(data, origin=(Origin(str(here), hash_file(here, options.max_input_bytes)),))


def _read(path: Path, role: Role, options: ReadOptions, *, cache: bool) -> Dataset:
    """What a file or a folder holds, from the cache if a parsed copy is there."""
    name = format_of(path)
    reader = SOURCES.get(name)
    inputs = reader.inputs(path, role) if cache else ()
    if inputs:
        origin = tuple(Origin(str(file), hash_file(file, options.max_input_bytes)) for file in inputs)
        known = recall(key_of(origin, name, reader.version, role, options), origin)
        if known is not None:
            return known
    dataset = reader.read(path, role, options)
    if role == "train":
        _insist_on_classes(path, dataset)
    if inputs:
        keep(key_of(dataset.origin, name, reader.version, role, options), dataset)
    return dataset


def load_blocks(
    source: str | Path,
    role: Role = "train",
    options: ReadOptions = DEFAULT,
    rows: int = 8192,
    piece: Piece | None = None,
) -> Iterator[Block]:
    """What :func:`load` reads, ``rows`` images at a time; in constant memory where the format allows it.

    Raises:
        DataError: as for :func:`load`; what is wrong at the end is found at the end.
    """
    with unpacked(local_path(source), options.max_input_bytes) if not _is_name(source) else nullcontext() as path:
        reader, path = _reader(source if path is None else path, role)
        for block in reader.blocks(path, role, options, rows, piece):
            data = block.data if path is None else looked_at(block.data, path)
            yield block._replace(data=_brought(data, options))


def load_pieces(
    source: str | Path, role: Role = "train", options: ReadOptions = DEFAULT, rows: int = 65_536
) -> Iterator[Piece | None]:
    """Stretches of ``source`` for :func:`load_blocks`, of ``rows`` images; one None if it is read as a whole only."""
    if not _is_name(source) and is_archive_of_images(local_path(source)):
        return iter([None])
    reader, path = _reader(source, role)
    return reader.pieces(path, role, options, rows)


def _is_name(source: str | Path) -> bool:
    return isinstance(source, str) and source in SOURCES.names() and SOURCES.get(source).named


def _reader(source: str | Path, role: Role) -> tuple[type[Source], Path | None]:
    if _is_name(source):
        return SOURCES.get(str(source)), None
    path = part_of(local_path(source), role)
    return SOURCES.get(format_of(path)), path


def _brought(data: Dataset, options: ReadOptions) -> Dataset:
    """The images in the size and the channels that the options ask for, with a note if that changed them."""
    wanted = options.resize
    if wanted is None or not len(data) or data.image_shape[-len(wanted) :] == tuple(wanted):
        return data
    images = np.stack([brought_to(image, wanted, keep_aspect=options.keep_aspect) for image in data.images])
    was, now = ("x".join(map(str, shape[1:])) for shape in (data.image_shape, images.shape[1:]))
    notes = (*data.notes, f"images of {was} pixels were resized to {now}") if was != now else data.notes
    return replace(data, images=images, notes=notes)


def named_sources() -> list[str]:
    """The data sets known by name, sorted."""
    return [name for name in SOURCES if SOURCES.get(name).named]


def format_of(path: Path) -> str:
    """The name of the source that reads ``path``.

    Raises:
        DataError: there is nothing, nothing that can be read, or nothing of a known format.
        ResourceError: the operating system refused.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise _missing(path) from None
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}") from error
    if not path.is_dir():
        open_regular(path).close()
    try:
        for name in SOURCES:
            reader = SOURCES.get(name)
            if not reader.named and reader.recognises(path):
                return name
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}") from error
    found = looks_like(first_bytes(path)) or "a file of no known format"
    formats = ", ".join(name for name in SOURCES if not SOURCES.get(name).named)
    raise DataError(Problem(path, found, f"one of the formats {formats}"))


def _missing(path: Path) -> DataError:
    """The error for a path that is not there: perhaps it is a slip of the pen."""
    names = named_sources()
    expected = f"a path, or a data set's name: {', '.join(names)}" if names else "a path"
    try:
        names += [entry.name for entry in islice(path.parent.iterdir(), _COMPARED_NAMES)]
    except (OSError, ValueError):
        pass
    near = difflib.get_close_matches(path.name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else None
    return DataError(Problem(path, "no such file or folder", expected, hint=hint))


def _insist_on_classes(path: Path | str, dataset: Dataset) -> None:
    present = [] if dataset.labels is None else [dataset.class_names[label] for label in np.unique(dataset.labels)]
    if len(present) < 2:
        found = f"only images of class {present[0]!r}" if present else "no labels"
        raise DataError(Problem(path, found, "labels of at least 2 classes to train on"))
