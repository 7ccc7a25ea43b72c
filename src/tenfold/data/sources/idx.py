"""The format of the original MNIST files: big-endian sizes, then raw bytes.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data.files import IDX, ByteStream, first_bytes, looks_like, open_stream
from tenfold.data.options import ReadOptions, Role
from tenfold.data.sources import Source
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset, Origin

DIGITS = tuple("0123456789")
BLOCK = 1 << 20
IMAGES, LABELS = 3, 1  # dimensions
_TYPES = {0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}
_NAME = re.compile(r"(?:idx[13]-ubyte|\.idx)(?:\.gz)?$")
_ROLE_NAMES = {"train": ("train",), "test": ("t10k", "test")}


class Idx(Source):
    """MNIST's own files: the images file (labels beside it), or a folder with the four files; plain or .gz."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if path.is_dir():
            return any(_NAME.search(file.name) for file in path.iterdir())
        return bool(_NAME.search(path.name)) or first_bytes(path, 3) == IDX

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        assert path is not None
        images_path = _images_in(path, role) if path.is_dir() else path
        images, images_origin = read_idx(images_path, IMAGES, options.max_input_bytes)
        class_names = options.class_names or DIGITS
        labels, origin = None, [images_origin]
        labels_path = _labels_beside(images_path)
        if labels_path is not None:
            raw, labels_origin = read_idx(labels_path, LABELS, options.max_input_bytes)
            labels = _checked_labels(raw, labels_path, len(images), images_path, len(class_names))
            origin.append(labels_origin)
        elif role == "train":
            hint = f"expected {images_path.name.replace('images', 'labels').replace('idx3', 'idx1')}"
            raise DataError(Problem(images_path, "images without a labels file beside them", "labels to train on", hint=hint))
        return Dataset(images[:, np.newaxis], labels, np.arange(1, len(images) + 1), class_names, tuple(origin))


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
        sizes = _read_sizes(stream, dimensions)
        wanted = math.prod(sizes)
        offset = 4 + 4 * dimensions
        packed = path.suffix == ".gz"
        if offset + wanted > stream.most or (offset + wanted < stream.most and not packed):
            raise _wrong_size(path, sizes, f"{'at most ' if packed else ''}{stream.most:,}", offset + wanted, stream.most)
        content = np.empty(wanted, np.uint8)
        filled = 0
        while piece := stream.read(BLOCK):
            if filled + len(piece) > wanted:
                raise _wrong_size(path, sizes, f"more than {offset + wanted:,}", offset + wanted)
            content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        if filled < wanted:
            raise _wrong_size(path, sizes, f"{offset + filled:,}", offset + wanted, offset + filled)
    return content.reshape(sizes), Origin(str(path), stream.sha256)


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
        raise DataError(Problem(path, f"elements of type 0x{magic[2]:02x} ({kind}) at offset 2", "0x08 (unsigned byte)"))
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


def _checked_labels(raw: NDArray[np.uint8], path: Path, images: int, images_path: Path, classes: int) -> NDArray[np.int64]:
    if len(raw) != images:
        raise DataError(Problem(path, f"{len(raw):,} labels", f"{images:,}, as many as images in {images_path}"))
    bad = np.flatnonzero(raw >= classes)
    if len(bad):
        found = f"label {raw[bad[0]]} at index {bad[0]:,}"
        raise DataError(Problem(path, found, f"0..{classes - 1}", hint=f"{len(bad):,} such labels"))
    return raw.astype(np.int64)


def _images_in(folder: Path, role: Role) -> Path:
    """The images file for ``role`` in a folder; the plain one if it is there plain and compressed."""
    found = sorted(
        file
        for file in folder.iterdir()
        if _NAME.search(file.name) and "images" in file.name and any(name in file.name for name in _ROLE_NAMES[role])
    )
    plain = [file for file in found if file.suffix != ".gz"] or found
    if len(plain) != 1:
        names = ", ".join(file.name for file in plain) or "none"
        prefix = _ROLE_NAMES[role][0]
        raise DataError(Problem(folder, f"images files for {role}: {names}", f"one, such as {prefix}-images-idx3-ubyte"))
    return plain[0]


def _labels_beside(images: Path) -> Path | None:
    """The labels file that belongs to an images file by MNIST's names, in either spelling, plain or compressed."""
    if "images" not in images.name:
        return None
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    other = stem.replace("-idx1", ".idx1") if "-idx1" in stem else stem.replace(".idx1", "-idx1")
    endings = (".gz", "") if images.suffix == ".gz" else ("", ".gz")
    candidates = (images.with_name(name + ending) for name in (stem, other) for ending in endings)
    return next((path for path in candidates if path.exists()), None)
