"""The format of the original MNIST files: big-endian sizes, then raw bytes.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.layout import DIGITS, Classes, numbered
from tenfold.data.sources import Block, Piece, Source, regrouped, row_piece
from tenfold.data.streams import IDX, ByteStream, first_bytes, looks_like, open_stream, open_stretch
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset, Origin

BLOCK = 1 << 20
IMAGES, LABELS = 3, 1  # dimensions
_HEADER = 4 + 4 * IMAGES
_TYPES = {0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}
_NAME = re.compile(r"(?:idx[13]-ubyte|\.idx)(?:\.gz)?$")
_DEEPEST = 3
"""Levels of folders that hold nothing but one folder, such as MNIST/raw."""
_QMNIST = b"\0\0\x0c\x02"
"""Begins labels of eight columns, 32-bit numbers, of which the first is the class."""
_ROLE_NAMES = {"train": ("train",), "test": ("t10k", "test")}


class Idx(Source):
    """MNIST's own files: the images file (labels beside it), or a folder with the four files; plain or .gz."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if path.is_dir():
            return _folder_in(path) is not None
        return bool(_NAME.search(path.name)) or first_bytes(path, 3) == IDX

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        assert path is not None
        images_path = _images_in(path, role) if path.is_dir() else path
        images, origin = read_idx(images_path, IMAGES, options.max_input_bytes)
        labels, classes, labels_origin = _labels_of(images_path, len(images), role, options)
        ids = np.arange(1, len(images) + 1)
        notes = (classes.note,) if classes.note else ()
        return Dataset(images[:, np.newaxis], labels, ids, classes.names, (origin, *labels_origin), notes)

    @classmethod
    def blocks(
        cls, path: Path | None, role: Role, options: ReadOptions, rows: int, piece: Piece | None = None
    ) -> Iterator[Block]:
        assert path is not None
        path = _images_in(path, role) if path.is_dir() else path
        limit = options.max_input_bytes
        with open_stretch(path, limit, 0, _HEADER) if piece else open_stream(path, limit) as stream:
            (count, *size), wanted = _opened(stream, IMAGES, whole=piece is None)
            labels, classes, _ = _labels_of(path, count, role, options)
            first, end, offset = 0, count, _HEADER
            with ExitStack() as files:
                if piece is not None:
                    first, end, pixels = piece.start, piece.end, math.prod(size)
                    stream = files.enter_context(
                        open_stretch(path, limit, offset + first * pixels, offset + end * pixels)
                    )
                    wanted = (end - first) * pixels
                parts = (np.frombuffer(part, np.uint8) for part in _content(stream, wanted, (count, *size)))
                for start, images in zip(range(first, end, rows), _images(parts, rows, size), strict=True):
                    stop = start + len(images)
                    shown = None if labels is None else labels[start:stop]
                    yield Block(
                        Dataset(images, shown, np.arange(start + 1, stop + 1), classes.names),
                        (stop - first) / (end - first),
                    )

    @classmethod
    def pieces(cls, path: Path | None, role: Role, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
        assert path is not None
        path = _images_in(path, role) if path.is_dir() else path
        if path.suffix == ".gz":
            yield None
            return
        with open_stretch(path, options.max_input_bytes, 0, path.stat().st_size) as stream:
            (count, *_), _ = _opened(stream, IMAGES)
        for start in range(0, count, rows):
            yield row_piece(start, min(count, start + rows), count)


def read_idx(path: Path, dimensions: int, limit: int) -> tuple[NDArray[np.uint8], Origin]:
    """The array in an IDX file of unsigned bytes.

    Args:
        path: plain, or compressed if its name ends in ``.gz``.
        dimensions: 3 for images (N, H, W), 1 for labels (N,).
        limit: the most bytes after decompression.

    Raises:
        DataError: not such a file, or its sizes and its content disagree.
    """
    with open_stream(path, limit) as stream:
        sizes, wanted = _opened(stream, dimensions)
        content = np.empty(wanted, np.uint8)
        filled = 0
        for part in _content(stream, wanted, sizes):
            content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
    return content.reshape(sizes), Origin(str(path), stream.sha256)


def _opened(stream: ByteStream, dimensions: int, *, whole: bool = True) -> tuple[tuple[int, ...], int]:
    """The sizes that the header declares, and how many bytes follow it; compared with what the ``whole`` file can
    hold.
    """
    sizes = _read_sizes(stream, dimensions)
    wanted = math.prod(sizes)
    total = 4 + 4 * dimensions + wanted
    packed = stream.path.suffix == ".gz"
    if whole and (total > stream.most or (total < stream.most and not packed)):
        raise _wrong_size(stream.path, sizes, f"{'at most ' if packed else ''}{stream.most:,}", total, stream.most)
    return sizes, wanted


def _content(stream: ByteStream, wanted: int, sizes: tuple[int, ...]) -> Iterator[bytes]:
    """Exactly ``wanted`` bytes, in parts; more or fewer are a fault."""
    offset, filled = 4 + 4 * len(sizes), 0
    while part := stream.read(BLOCK):
        filled += len(part)
        if filled > wanted:
            raise _wrong_size(stream.path, sizes, f"more than {offset + wanted:,}", offset + wanted)
        yield part
    if filled < wanted:
        raise _wrong_size(stream.path, sizes, f"{offset + filled:,}", offset + wanted, offset + filled)


def _images(parts: Iterator[NDArray[np.uint8]], rows: int, size: list[int]) -> Iterator[NDArray[np.uint8]]:
    """Bytes as images (n, 1, H, W), ``rows`` at a time."""
    for flat in regrouped(parts, rows * math.prod(size)):
        yield flat.reshape(-1, 1, *size)


def _read_sizes(stream: ByteStream, dimensions: int) -> tuple[int, ...]:
    """The sizes in the header, after everything about it has been checked."""
    path = stream.path
    magic = stream.read_exactly(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        found = f"not an IDX file (magic 0x{magic.hex()} at offset 0)"
        hint = f"it looks like {looks_like(magic)}" if looks_like(magic) else None
        if len(magic) == 4 and magic[2:] == b"\0\0" and magic[1] == 0x08:
            hint = "the header is little-endian; IDX is big-endian"
        raise DataError(Problem(path, found, f"magic 0x000008{dimensions:02x}", hint=hint))
    if magic[2] != 0x08:
        kind = _TYPES.get(magic[2], "unknown")
        raise DataError(
            Problem(path, f"elements of type 0x{magic[2]:02x} ({kind}) at offset 2", "0x08 (unsigned byte)")
        )
    if magic[3] not in (IMAGES, LABELS):
        raise DataError(Problem(path, f"{magic[3]} dimensions at offset 3", "3 (images) or 1 (labels)"))
    if magic[3] != dimensions:
        found, expected = ("labels", "images") if dimensions == IMAGES else ("images", "labels")
        raise DataError(Problem(path, f"a file of {found}", f"one of {expected}", hint="are the two files swapped?"))
    header = stream.read_exactly(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise DataError(Problem(path, f"a header of {4 + len(header)} bytes", f"{4 + 4 * dimensions} bytes"))
    sizes = struct.unpack(f">{dimensions}I", header)
    if 0 in sizes:
        raise DataError(Problem(path, f"sizes {_product(sizes)}", "at least one image of at least one pixel"))
    return sizes


def _wrong_size(path: Path, sizes: tuple[int, ...], found: str, expected: int, room: int | None = None) -> DataError:
    hint = None
    if room is None or room > expected:
        hint = "there are trailing bytes"
    else:
        swapped = struct.unpack(f"<{len(sizes)}I", struct.pack(f">{len(sizes)}I", *sizes))
        if math.prod(swapped) <= room < math.prod(sizes):
            hint = f"the sizes would fit as little-endian ({_product(swapped)}); IDX is big-endian"
    return DataError(Problem(path, f"{found} bytes", f"{expected:,} bytes for {_product(sizes)}", hint=hint))


def _product(sizes: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in sizes)


def _labels_of(
    images: Path, count: int, role: Role, options: ReadOptions
) -> tuple[NDArray[np.int64] | None, Classes, list[Origin]]:
    """The labels beside an images file, their classes, and where they came from; a "train" set must have them."""
    path = _labels_beside(images)
    if path is None:
        if role == "train":
            hint = f"expected {images.name.replace('images', 'labels').replace('idx3', 'idx1')}"
            raise DataError(
                Problem(images, "images without a labels file beside them", "labels to train on", hint=hint)
            )
        return None, Classes(options.class_names or DIGITS, {}), []
    with open_stream(path, options.max_input_bytes) as stream:
        is_qmnist = stream.read_exactly(4) == _QMNIST
    raw, origin = (_first_column if is_qmnist else _read_labels)(path, options.max_input_bytes)
    if len(raw) != count:
        raise DataError(Problem(path, f"{len(raw):,} labels", f"{count:,}, as many as images in {images}"))
    labels, classes = numbered(raw, options.class_names, path, "labels")
    if is_qmnist:
        classes = replace(classes, note="the labels are the first of QMNIST's eight columns")
    return labels, classes, [origin]


def _read_labels(path: Path, limit: int) -> tuple[NDArray[Any], Origin]:
    return read_idx(path, LABELS, limit)


def _first_column(path: Path, limit: int) -> tuple[NDArray[Any], Origin]:
    """The first of the columns (N, F) of big-endian 32-bit numbers."""
    with open_stream(path, limit) as stream:
        header = stream.read_exactly(12)
        rows, columns = struct.unpack(">2I", header[4:]) if len(header) == 12 else (0, 0)
        wanted = 4 * rows * columns
        content = stream.read_exactly(wanted + 1) if 0 < wanted <= stream.most else b""
    if not wanted or len(content) != wanted:
        raise DataError(Problem(path, f"{len(content):,} bytes", f"{wanted:,} bytes for {rows:,} x {columns:,} labels"))
    return np.frombuffer(content, ">i4").reshape(rows, columns)[:, 0].astype(np.int64), Origin(str(path), stream.sha256)


def _folder_in(path: Path) -> Path | None:
    """The folder with IDX files: ``path``, or the only one in it, such as MNIST/raw; None if there is none."""
    for _ in range(_DEEPEST):
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        if any(_NAME.search(entry.name) for entry in entries):
            return path
        if len(entries) != 1 or not entries[0].is_dir():
            return None
        path = entries[0]
    return path if path.is_dir() and any(_NAME.search(entry.name) for entry in path.iterdir()) else None


def _images_in(folder: Path, role: Role) -> Path:
    """The images file for ``role`` in a folder: of equal ones the plain one, by MNIST's own spelling.

    A file may lie in a folder of its own name, as some downloads unpack.
    """
    folder = _folder_in(folder) or folder
    found = sorted(
        file / file.name if (file / file.name).is_file() else file
        for file in folder.iterdir()
        if _NAME.search(file.name) and "images" in file.name and any(name in file.name for name in _ROLE_NAMES[role])
    )
    plain = [file for file in found if file.suffix != ".gz"] or found
    spellings = {(file.name.replace(".idx", "-idx"), file.stat().st_size) for file in plain}
    plain = plain[:1] if len(spellings) == 1 and plain[0].suffix != ".gz" else plain
    if len(plain) != 1:
        names = ", ".join(file.name for file in plain) or "none"
        prefix = _ROLE_NAMES[role][0]
        raise DataError(
            Problem(folder, f"images files for {role}: {names}", f"one, such as {prefix}-images-idx3-ubyte")
        )
    return plain[0]


def _labels_beside(images: Path) -> Path | None:
    """The labels file that belongs to an images file by MNIST's names, in either spelling, plain or compressed."""
    if "images" not in images.name:
        return None
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    other = stem.replace("-idx1", ".idx1") if "-idx1" in stem else stem.replace(".idx1", "-idx1")
    endings = (".gz", "") if images.suffix == ".gz" else ("", ".gz")
    names = [name + ending for name in (stem, other, stem.replace("idx1-ubyte", "idx2-int")) for ending in endings]
    own = images.parent.parent if images.parent.name == images.name else images.parent
    candidates = (folder / name for name in names for folder in (images.parent, own, own / name))
    return next((path for path in candidates if path.is_file()), None)
