"""A folder of parts and their manifest: on this machine, or wherever fsspec writes (s3, gs, abfs, sftp, ...).

A file has its name only once it is whole: here by :mod:`tenfold.files`, elsewhere by fsspec's transactions, which
object stores have by nature.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tenfold.bundle.manifest import DARK
from tenfold.bundle.predict import Bundle
from tenfold.data import ReadOptions, Role
from tenfold.data.fetch import explained, is_url, local_path, store
from tenfold.data.images import brought_to, load_image, recognise_format
from tenfold.data.layout import range_fault
from tenfold.data.load import DEFAULT, load, load_blocks, load_pieces, named_sources
from tenfold.data.sources import Block, Piece
from tenfold.data.streams import first_bytes
from tenfold.errors import DataError, IntegrityError, Problem, UsageError
from tenfold.executors import Json
from tenfold.files import make_directory, sha256_of, wait_for_files, write_bytes
from tenfold.values.dataset import Dataset
from tenfold.values.serialisation import json_object

_CONTAINERS = frozenset({None, "ZIP", "gzip"})
"""What :func:`recognise_format` says of files that are no images themselves."""
_END = 1 << 16
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_input(source: Any, bundle: Bundle, options: ReadOptions = DEFAULT, role: Role = "test") -> Dataset:
    """The images of ``source`` as ``bundle`` takes them, with labels where the source has them.

    Args:
        source: a data set's name, a path that :func:`~tenfold.data.load.load` reads, one image file, or what is in
            memory.
        bundle: decides the size of the images and the names of the classes.
        options: how to read tables and folders; shape and class names are the bundle's.
        role: which part of the source.

    Raises:
        DataError: not readable, or images of another size.
        IntegrityError: the classes are not the bundle's.
    """
    if isinstance(source, str | Path) and is_image(source):
        return _single_image(source, bundle, options)
    return load(source, role, _fitting(options, bundle))


def input_blocks(
    source: str, bundle: Bundle, options: ReadOptions, rows: int, piece: Piece | None = None
) -> Iterator[Block]:
    """What :func:`read_input` reads, ``rows`` images at a time; see :func:`~tenfold.data.load.load_blocks`."""
    if is_image(source):
        return iter([Block(_single_image(source, bundle, options), 1.0)])
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
    """What tells two files of one name on two machines apart at the price of an open: a hash of size, beginning and
    end.

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
    """How to read for ``bundle``: its shape and classes; resized if its training images were, or if that is asked for.

    Raises:
        UsageError: another size than the model's is asked for.
    """
    known, wanted = replace(options, class_names=bundle.class_names), bundle.image_shape
    if options.resize is not None and options.resize[-2:] != wanted[1:]:
        size = f"{wanted[1]}x{wanted[2]}"
        raise UsageError(f"the model takes images of {size} pixels: pass --resize {size}")
    if options.resize is None and bundle.manifest.resize is None:
        return replace(known, shape=wanted)
    return replace(known, resize=wanted, keep_aspect=options.keep_aspect or bundle.manifest.resize == "keep aspect")


def polarity_warning(data: Dataset, bundle: Bundle) -> str | None:
    """A sentence if ``data`` looks like dark ink on a light background, but the training images were the reverse."""
    mean = float(data.images.mean()) if len(data) else 0.0
    fault = range_fault(data.images)
    if fault is not None and mean < bundle.manifest.pixel_mean / 4:
        return f"{fault}; the images are far fainter than those that the model learnt from, so expect wrong answers"
    return polarity_of(mean, bundle)


def polarity_of(mean: float, bundle: Bundle) -> str | None:
    """:func:`polarity_warning` for images whose mean level, 0..255, is known."""
    if mean > 128 and bundle.manifest.pixel_mean < DARK:
        return (
            f"the images look like dark ink on light ground (mean level {mean:.0f}, training images "
            f"{bundle.manifest.pixel_mean:.0f}); expect wrong answers, or invert them first"
        )
    return None


def _single_image(source: str | Path, bundle: Bundle, options: ReadOptions) -> Dataset:
    channels, height, width = bundle.image_shape
    path = local_path(source)
    fitting = _fitting(options, bundle)
    pixels = brought_to(load_image(path, channels), fitting.resize, keep_aspect=fitting.keep_aspect)
    if pixels.shape != bundle.image_shape:
        raise DataError(
            Problem(
                path,
                f"an image of {pixels.shape[2]} x {pixels.shape[1]} pixels",
                f"{width} x {height}, the size that this model was trained on",
                hint=f"pass --resize {height}x{width}",
            )
        )
    return Dataset(pixels[None], None, np.array([str(source)]), bundle.class_names)


MANIFEST = "parts.json"
FORMAT_VERSION = 1
_PART = re.compile(r"\d+-\d+-[0-9a-f]{32}\.csv")
"""Number of the source, of the part in it, and what decides its content; other files in the folder are not ours."""
_CHUNK = 1 << 20


class PartsFolder(ABC):
    """Where parts lie.

    Attributes:
        place: what :func:`parts_folder` finds it by, on every machine.
    """

    place: str

    @abstractmethod
    def names(self) -> set[str]:
        """The parts and the manifest that are there; empty if the folder is not."""

    @abstractmethod
    def sha256(self, name: str) -> str | None:
        """Of a file's content, or None if it is not there."""

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes]:
        """A file's content, in chunks."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> str:
        """Create or replace a file; its SHA-256."""

    @abstractmethod
    def remove(self, names: Iterable[str]) -> None:
        """Take away these files."""

    @abstractmethod
    def wait(self, names: Iterable[str]) -> None:
        """Return once these files, written by whatever machine, can be seen from here."""

    def clear(self) -> None:
        """Take away all parts."""
        self.remove(name for name in self.names() if name != MANIFEST)


class _Here(PartsFolder):
    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self.place = str(self._path)

    def names(self) -> set[str]:
        return set(filter(_ours, (path.name for path in self._path.iterdir()))) if self._path.is_dir() else set()

    def sha256(self, name: str) -> str | None:
        return sha256_of(self._path / name) if (self._path / name).exists() else None

    def read(self, name: str) -> Iterator[bytes]:
        with open(self._path / name, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def write(self, name: str, content: bytes) -> str:
        return write_bytes(make_directory(self._path) / name, content)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self._path / name).unlink()

    def clear(self) -> None:
        """All parts, what a killed worker left, and the folder if nothing else is in it."""
        super().clear()
        for path in self._path.glob(".*.tmp"):
            path.unlink()
        if self._path.is_dir() and not any(self._path.iterdir()):
            self._path.rmdir()

    def wait(self, names: Iterable[str]) -> None:
        wait_for_files(self._path / name for name in names)


class _Elsewhere(PartsFolder):
    def __init__(self, url: str, system: Any, path: str) -> None:
        self.place = url
        self._system, self._path = system, path.rstrip("/")

    def names(self) -> set[str]:
        with explained(self.place, "write"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path, detail=False)
            except FileNotFoundError:
                found = []
        return set(filter(_ours, (path.rpartition("/")[2] for path in found)))

    def sha256(self, name: str) -> str | None:
        with explained(self.place, "read"):
            there = self._system.exists(self._of(name))
        if not there:
            return None
        digest = hashlib.sha256()
        for chunk in self.read(name):
            digest.update(chunk)
        return digest.hexdigest()

    def read(self, name: str) -> Iterator[bytes]:
        with explained(f"{self.place}/{name}"), self._system.open(self._of(name), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def write(self, name: str, content: bytes) -> str:
        with explained(self.place, "write"):
            try:
                self._put(name, content)
            except FileNotFoundError:  # it has folders, and this one is not there yet
                self._system.makedirs(self._path, exist_ok=True)
                self._put(name, content)
        return hashlib.sha256(content).hexdigest()

    def remove(self, names: Iterable[str]) -> None:
        with explained(self.place, "write"):
            if paths := [self._of(name) for name in names]:
                self._system.rm(paths)

    def wait(self, names: Iterable[str]) -> None:
        """Stores show at once what was written."""

    def _of(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _put(self, name: str, content: bytes) -> None:
        with self._system.transaction, self._system.open(self._of(name), "wb") as file:
            file.write(content)


def _ours(name: str) -> bool:
    return name == MANIFEST or _PART.fullmatch(name) is not None


def parts_folder(place: str | Path) -> PartsFolder:
    """The folder of parts at a path or a URL, which need not exist yet.

    Raises:
        UsageError: fsspec does not know the URL.
        ResourceError: a package is missing.
    """
    if not is_url(place):
        return _Here(Path(place))
    url = str(place).rstrip("/")
    try:
        system, path = store(url, "write")
    except DataError as error:
        raise UsageError(f"--out {error}") from None
    from fsspec.implementations.local import LocalFileSystem

    return _Here(Path(path)) if isinstance(system, LocalFileSystem) else _Elsewhere(url, system, path)


def write_manifest(folder: PartsFolder, parts: Sequence[Json], **further: Any) -> None:
    """Write what :func:`read_parts` reads, after parts of earlier calls were taken away.

    Args:
        folder: with the parts in it.
        parts: ``name``, ``rows``, ``source`` and ``sha256`` of each, in order.
        further: what else to record.
    """
    folder.remove(folder.names() - {part["name"] for part in parts} - {MANIFEST})
    manifest = {
        "format_version": FORMAT_VERSION,
        **further,
        "rows": sum(part["rows"] for part in parts),
        "parts": list(parts),
    }
    folder.write(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_parts(place: str | Path) -> Json:
    """The manifest of a folder of parts, by path or URL, after its parts were compared with it.

    Raises:
        IntegrityError: no manifest, or a part that is missing or differs.
    """
    folder = parts_folder(place)
    if MANIFEST not in folder.names():
        raise IntegrityError(f"{folder.place} has no {MANIFEST}; predict again, which computes only what is missing")
    manifest = json_object(b"".join(folder.read(MANIFEST)), f"{folder.place}/{MANIFEST}")
    for part in manifest["parts"]:
        if folder.sha256(part["name"]) != part["sha256"]:
            raise IntegrityError(
                f"{folder.place}/{part['name']} is missing or differs from {MANIFEST}; predict again, which computes"
                " only what is missing"
            )
    return manifest
