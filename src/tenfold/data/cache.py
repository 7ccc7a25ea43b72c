"""Datasets as folders of ``.npy`` files, which processes map into memory and share.

Two uses: parsed copies of slow formats, found again by what they were made from, and datasets handed
to worker processes. Damaged copies count as missing; a cache that cannot be written is no cache.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.errors import IntegrityError, ResourceError
from tenfold.files import make_directory, refused, write_chunks, write_json
from tenfold.values.dataset import Dataset, Origin


def image_hashes(images: NDArray[np.uint8]) -> NDArray[np.void]:
    """BLAKE2b-128 of every image's pixels.

    A cryptographic hash, so two different images never share one, not even by intent. Compare only
    hashes of images of one shape.

    Args:
        images: uint8 (N, C, H, W).

    Returns:
        (N,) of 16 bytes each, which ``np.unique`` and ``np.isin`` understand.
    """
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.frombuffer(b"".join(blake2b(row.data, digest_size=16).digest() for row in rows), dtype="V16")


FORMAT_VERSION = 1
META = "meta.json"
DATASETS = "datasets"
"""The folder below :func:`home` whose folders are named after the fingerprint of what they hold."""
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}

KEPT_TABLES = 16


def home() -> Path:
    """The folder for what can be fetched or computed again: ``$TENFOLD_HOME``, or the user's cache folder."""
    chosen = os.environ.get("TENFOLD_HOME")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("tenfold"))


def key_of(files: Iterable[Origin], source: str, version: int, role: Role, options: ReadOptions) -> str:
    """A name for the outcome of reading ``files``: it changes with their content and with how they are read.

    Args:
        files: what the outcome depends on; their paths do not count.
        source: name of the format.
        version: of the reader; raise it when its outcome changes.
        role: as given to the reader.
        options: as given to the reader.
    """
    parts = [FORMAT_VERSION, source, version, role, asdict(options), [file.sha256 for file in files]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(key: str, origin: tuple[Origin, ...]) -> Dataset | None:
    """The dataset kept under ``key``, as read from ``origin``, or None if there is none that is whole."""
    try:
        return open_stored(_tables() / key, origin=origin)
    except IntegrityError:
        return None


def keep(key: str, dataset: Dataset) -> None:
    """Keep ``dataset`` under ``key`` and forget the oldest ones; does nothing where that is not possible."""
    entry = _tables() / key
    try:
        _write(entry, dataset)
        newest_first = sorted(_tables().iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except (ResourceError, OSError):
        if not (entry / META).exists():  # a part is no use to anyone, and the disk may be full
            shutil.rmtree(entry, ignore_errors=True)
        return
    for old in newest_first[KEPT_TABLES:]:
        shutil.rmtree(old, ignore_errors=True)


def stored_path(fingerprint: str) -> Path:
    """Where :func:`stored` puts the dataset with this fingerprint."""
    return home() / DATASETS / fingerprint


def stored(dataset: Dataset, folder: Path | None = None) -> Path:
    """A folder that holds ``dataset``, for :func:`open_stored` in another process; written unless it is there.

    Args:
        dataset: what to store.
        folder: where; by default a folder in the cache named after the fingerprint.

    Raises:
        ResourceError: the operating system refused.
    """
    path = folder or stored_path(dataset.fingerprint())
    try:
        if open_stored(path).fingerprint() == dataset.fingerprint():
            return path
    except IntegrityError:
        pass
    _write(path, dataset)
    return path


def open_stored(path: Path, *, verify: bool = True, origin: tuple[Origin, ...] | None = None) -> Dataset:
    """The dataset in a folder that :func:`stored` wrote, mapped into memory and read-only.

    Args:
        path: the folder.
        verify: compare the fingerprint, which reads everything once.
        origin: where the same content was found this time; by default as recorded.

    Raises:
        IntegrityError: something is missing or damaged.
        ResourceError: the operating system refused.
    """
    try:
        meta = json.loads((path / META).read_text("utf-8"))
        if meta["format_version"] != FORMAT_VERSION:
            raise IntegrityError(
                f"{path}: found format_version {meta['format_version']!r}, this release reads {FORMAT_VERSION}"
            )
        recorded = tuple(Origin(file["path"], file["sha256"]) for file in meta["origin"])
        dataset = Dataset(
            images=_mapped(path / "images.npy"),
            labels=_mapped(path / "labels.npy") if meta["labelled"] else None,
            ids=_mapped(path / "ids.npy"),
            class_names=tuple(meta["class_names"]),
            origin=recorded if origin is None else origin,
            notes=tuple(meta["notes"]),
        )
        known = [meta["fingerprint"], *([path.name] if path.parent.name == DATASETS else [])]
        if verify and any(dataset.fingerprint() != each for each in known):
            raise IntegrityError(
                f"{path}: the content does not have the fingerprint that {META} or the folder's name records; it is"
                " damaged, or not what the run began with"
            )
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise refused(path, error, "read") from error
        raise IntegrityError(f"{path} holds no readable dataset: {error}") from error
    except (EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path} holds no readable dataset: {error}") from error
    return dataset


def _tables() -> Path:
    return home() / "tables"


def _mapped(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _write(path: Path, dataset: Dataset) -> None:
    """Write the folder; ``meta.json`` comes last, so what has one is whole."""
    make_directory(path)
    ids = dataset.ids if dataset.ids.dtype.kind in "iu" else dataset.ids.astype(str)
    _write_array(path / "images.npy", dataset.images)
    _write_array(path / "ids.npy", ids)
    if dataset.labels is not None:
        _write_array(path / "labels.npy", dataset.labels)
    write_json(
        path / META,
        {
            "format_version": FORMAT_VERSION,
            "fingerprint": dataset.fingerprint(),
            "labelled": dataset.labels is not None,
            "class_names": list(dataset.class_names),
            "origin": [asdict(file) for file in dataset.origin],
            "notes": list(dataset.notes),
        },
    )


def _write_array(path: Path, array: NDArray[Any]) -> None:
    header = io.BytesIO()
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    write_chunks(path, [header.getvalue(), array.reshape(-1).view(np.uint8).data])
