"""From a dataset to a file or folder that tenfold, and other programs, can read."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.data import Role
from tenfold.errors import UsageError, printable
from tenfold.files import make_directory, write_bytes, write_chunks, write_folder
from tenfold.values.dataset import Dataset
from tenfold.values.names import folder_of_class

_PREFIX: dict[Role, str] = {"train": "train", "test": "t10k"}
_CELLS = [str(value).encode() for value in range(256)]
_ROWS = 512


def convert(data: Dataset, out: Path, role: Role = "train", *, overwrite: bool = False) -> list[Path]:
    """Write ``data`` in the format that the name ``out`` asks for.

    ============  =====================================================================================
    ``.npz``      arrays ``images``, ``labels``, ``ids`` and ``class_names``
    ``.csv``      Kaggle's table: ``label,pixel0,...``; classes as numbers 0..K-1, ids are not kept
    ``.csv.gz``   the same, compressed
    ``.idx``      a folder with MNIST's images and labels files for ``role``; grey images only
    no suffix     a new folder of PNG images, one sub-folder per class, flat without labels
    ============  =====================================================================================

    Args:
        data: what to write.
        out: where; its folder is created.
        role: names the files in an IDX folder.
        overwrite: replace files that exist. A folder of images is never replaced.

    Returns:
        the files, or the folder, written.

    Raises:
        UsageError: the suffix is unknown, the format cannot hold this data, or ``out`` exists.
        ResourceError: the operating system refused.
    """
    writer = _writer_for(out)
    make_directory(out.parent)
    return writer(data, out, role, overwrite)


def write_idx(data: Dataset, folder: Path, role: Role, *, overwrite: bool = True) -> list[Path]:
    """The images file and, if there are labels, the labels file of MNIST's format, in ``folder``.

    Raises:
        UsageError: more than one channel, more than 256 classes, or a file exists and ``overwrite`` is false.
        ResourceError: the operating system refused.
    """
    count, channels, height, width = data.images.shape
    if channels != 1 or len(data.class_names) > 256:
        raise UsageError(
            f"IDX holds grey images of at most 256 classes, found {data!r}; choose a name that ends in .npz"
        )
    paths = [folder / f"{_PREFIX[role]}-images-idx3-ubyte"]
    contents: list[list[bytes | memoryview]] = [
        [struct.pack(">4I", 0x0803, count, height, width), np.ascontiguousarray(data.images).reshape(-1).data]
    ]
    if data.labels is not None:
        paths.append(folder / f"{_PREFIX[role]}-labels-idx1-ubyte")
        contents.append([struct.pack(">2I", 0x0801, count), data.labels.astype(np.uint8).data])
    for path in paths:
        _insist_on_new(path, overwrite)
    make_directory(folder)
    for path, content in zip(paths, contents, strict=True):
        write_chunks(path, content, overwrite=overwrite)
    return paths


def _writer_for(out: Path) -> Callable[[Dataset, Path, Role, bool], list[Path]]:
    name = out.name.lower()
    for suffix, writer in _WRITERS.items():
        if name.endswith(suffix):
            return writer
    if out.suffix:
        raise UsageError(
            f"found the suffix {out.suffix!r}, expected {', '.join(_WRITERS)}, or none for a folder of images"
        )
    return _write_images


def _write_npz(data: Dataset, out: Path, role: Role, overwrite: bool) -> list[Path]:
    _insist_on_new(out, overwrite)
    arrays = {"images": data.images, "ids": data.ids, "class_names": np.array(data.class_names, dtype=str)}
    if data.labels is not None:
        arrays["labels"] = data.labels
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_bytes(out, content.getbuffer(), overwrite=overwrite)
    return [out]


def _write_csv(data: Dataset, out: Path, role: Role, overwrite: bool) -> list[Path]:
    _insist_on_new(out, overwrite)
    write_chunks(out, _csv_chunks(data), overwrite=overwrite)
    return [out]


def _write_csv_gz(data: Dataset, out: Path, role: Role, overwrite: bool) -> list[Path]:
    _insist_on_new(out, overwrite)
    write_chunks(out, _gzipped(_csv_chunks(data)), overwrite=overwrite)
    return [out]


def _write_idx_folder(data: Dataset, out: Path, role: Role, overwrite: bool) -> list[Path]:
    return write_idx(data, out, role, overwrite=overwrite)


_WRITERS = {".npz": _write_npz, ".csv": _write_csv, ".csv.gz": _write_csv_gz, ".idx": _write_idx_folder}


def _csv_chunks(data: Dataset) -> Iterator[bytes]:
    """The table in pieces. Numbers only: no text of the data set can become a spreadsheet's formula."""
    pixels = data.images.reshape(len(data), -1)
    names = [f"pixel{i}" for i in range(pixels.shape[1])]
    yield ",".join(["label", *names] if data.labels is not None else names).encode() + b"\n"
    for start in range(0, len(data), _ROWS):
        rows = [b",".join(map(_CELLS.__getitem__, row.tobytes())) for row in pixels[start : start + _ROWS]]
        if data.labels is not None:
            labels = data.labels[start : start + _ROWS].tolist()
            rows = [b"%d,%b" % (label, row) for label, row in zip(labels, rows, strict=True)]
        yield b"\n".join(rows) + b"\n"


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # zlib's own gzip header carries no time: the same data gives the same file
    compressor = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def _write_images(data: Dataset, out: Path, role: Role, overwrite: bool) -> list[Path]:
    if data.images.shape[1] not in (1, 3):
        raise UsageError(f"images have 1 or 3 channels, found {data!r}; choose a name that ends in .npz")
    prefixes, folders = [""], []
    if data.labels is not None:
        folders = [_folder_name(name) for name in data.class_names]
        prefixes = [f"{folder}/" for folder in folders]
    labels = np.zeros(len(data), dtype=np.int64) if data.labels is None else data.labels
    files = (
        (f"{prefixes[label]}{row:06d}.png", _png(data.images[row - 1])) for row, label in enumerate(labels, start=1)
    )
    write_folder(out, folders, files)
    return [out]


def _folder_name(class_name: str) -> str:
    """``class_name``, if a folder of that name is a folder of that name, here and on other systems."""
    if folder_of_class(class_name) != class_name:
        raise UsageError(f"class {printable(class_name)!r} cannot be a folder's name; choose a name that ends in .npz")
    return class_name


def _png(image: NDArray[np.uint8]) -> bytes:
    """uint8 (1 or 3, H, W) as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(content, "PNG")
    return content.getvalue()


def _insist_on_new(path: Path, overwrite: bool) -> None:
    """Say it before the work is done; the write itself checks again."""
    if not overwrite and os.path.lexists(path):
        raise UsageError(
            f"{printable(path)} exists; nothing was written. Pass --force to replace it, or choose another name"
        )
