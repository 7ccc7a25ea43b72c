"""Archives of NumPy arrays, read without NumPy's own loader: that one believes the sizes a file declares."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.sources import Source
from tenfold.data.streams import ByteStream, open_archive, open_regular, open_stream
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset, Origin

DIGITS = tuple("0123456789")
BLOCK = 1 << 20
CHANNELS = (1, 3)
_LARGEST_HEADER = 10_000
# (images, labels): MedMNIST's names, Keras', then files that hold one set only
_KEYS = {
    "train": [("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels"), ("x", "y")],
    "test": [("test_images", "test_labels"), ("x_test", "y_test"), ("images", "labels"), ("x", "y")],
}
_SHAPE = re.compile(r"\(\s*(?:\d{1,18}\s*,\s*)*(?:\d{1,18}\s*)?\)")
_HEADER = re.compile(
    r"\{'descr': '([^']{2,10})', 'fortran_order': (True|False), 'shape': (" + _SHAPE.pattern + r"), *\}\s*"
)


class Npz(Source):
    """NumPy archive (.npz) with images and labels under the names that Keras, MedMNIST or plain English use."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() == ".npz"

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        assert path is not None
        with open_regular(path) as file, open_archive(path, file) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
        names = next(((images, labels) for images, labels in _KEYS[role] if images in keys), None)
        if names is None:
            known = ", ".join(images for images, _ in _KEYS[role])
            raise DataError(Problem(path, f"arrays {sorted(keys)[:10]}", f"images under one of the names {known}"))
        images, origin = _read_array(path, names[0], options.max_input_bytes)
        images = _as_images(images, path, names[0], options)
        class_names = options.class_names or DIGITS
        labels = None
        if names[1] in keys:
            raw, _ = _read_array(path, names[1], options.max_input_bytes)
            labels = _as_labels(raw, path, names[1], len(images), len(class_names))
        elif role == "train":
            raise DataError(Problem(path, f"no array {names[1]!r}", "labels to train on"))
        return Dataset(images, labels, np.arange(1, len(images) + 1), class_names, (origin,))


def _read_array(path: Path, key: str, limit: int) -> tuple[NDArray[Any], Origin]:
    """One array of the archive, of a plain number type."""
    with open_stream(path, limit, member=f"{key}.npy") as stream:
        kind, columns_first, shape = _read_header(stream, path, key)
        wanted = math.prod(shape) * kind.itemsize
        if wanted > stream.most:
            raise DataError(Problem(path, f"{key!r} of at most {stream.most:,} bytes", f"{wanted:,} bytes for {shape}"))
        content = np.empty(wanted, np.uint8)
        filled = 0
        while piece := stream.read(BLOCK):
            if filled + len(piece) > wanted:
                raise DataError(
                    Problem(path, f"{key!r} of more than {wanted:,} bytes", f"{wanted:,} bytes for {shape}")
                )
            content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        if filled < wanted:
            raise DataError(Problem(path, f"{key!r} of {filled:,} bytes", f"{wanted:,} bytes for {shape}"))
    array = content.view(kind).reshape(shape, order="F" if columns_first else "C")
    return np.ascontiguousarray(array), Origin(str(path), stream.sha256)


def _read_header(stream: ByteStream, path: Path, key: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Element type, whether columns come first, and shape, from the header of a ``.npy`` file."""
    start = stream.read_exactly(8)
    width = {b"\x01\x00": 2, b"\x02\x00": 4}.get(start[6:8], 0)
    length = int.from_bytes(stream.read_exactly(width), "little")
    if not start.startswith(b"\x93NUMPY") or not width or length > _LARGEST_HEADER:
        raise DataError(Problem(path, f"{key!r} with a header that is not NumPy's", "an array of numbers"))
    header = stream.read_exactly(length).decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None or match[1][1:] not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"):
        raise DataError(Problem(path, f"{key!r} with the header {header.strip()[:80]}", "an array of numbers"))
    sizes = [int(size) for size in re.findall(r"\d+", match[3])]
    if len(sizes) > 4 or math.prod(filter(None, sizes)) > 1 << 48:
        raise DataError(Problem(path, f"{key!r} with the shape {match[3][:80]}", "at most 4 dimensions: (N, C, H, W)"))
    return np.dtype(match[1]), match[2] == "True", tuple(int(size) for size in re.findall(r"\d+", match[3]))


def _as_images(array: NDArray[Any], path: Path, key: str, options: ReadOptions) -> NDArray[np.uint8]:
    """``array`` as uint8 (N, C, H, W)."""

    def fault(found: str, expected: str, hint: str | None = None) -> DataError:
        return DataError(Problem(path, f"{key!r} {found}", expected, hint=hint))

    if array.size == 0:
        raise fault(f"with shape {array.shape}", "at least one image")
    if options.scale is not None:
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= options.scale):
            raise fault(f"with values {array.min()}..{array.max()}", f"0..{options.scale:g}, by --scale")
        array = np.floor(255 * array.astype(np.float64) / options.scale + 0.5)
    elif array.dtype.kind not in "ui":
        raise fault(f"of type {array.dtype}", "whole numbers 0..255", "give --scale, the value that means 255")
    elif array.min() < 0 or array.max() > 255:
        raise fault(f"with values {array.min()}..{array.max()}", "0..255")
    array = array.astype(np.uint8, copy=False)
    count, *rest = array.shape
    if options.shape is not None:
        if math.prod(options.shape) != math.prod(rest):
            raise fault(f"with shape {array.shape}", f"(N, {', '.join(map(str, options.shape))}), by --shape")
        channels = options.shape[0]
        if len(rest) == 3 and rest[-1] == channels and tuple(rest) != options.shape:
            array = np.moveaxis(array, 3, 1)
        return np.ascontiguousarray(array).reshape(count, *options.shape)
    if len(rest) == 2:
        return array[:, np.newaxis]
    if len(rest) == 3 and rest[-1] in CHANNELS:
        return np.ascontiguousarray(np.moveaxis(array, 3, 1))
    if len(rest) == 3 and rest[0] in CHANNELS:
        return array
    raise fault(f"with shape {array.shape}", "(N, H, W), (N, H, W, C) or (N, C, H, W)", "give --shape CxHxW")


def _as_labels(array: NDArray[Any], path: Path, key: str, images: int, classes: int) -> NDArray[np.int64]:
    """``array`` as int64 (N,); (N, 1), as MedMNIST has it, will do."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (images,):
        raise DataError(Problem(path, f"{key!r} with shape {array.shape}", f"({images},), as many as images"))
    if array.dtype.kind not in "ui":
        raise DataError(Problem(path, f"{key!r} of type {array.dtype}", "whole numbers"))
    bad = np.flatnonzero((array < 0) | (array >= classes))
    if len(bad):
        found = f"{key!r} with label {array[bad[0]]} at index {bad[0]:,}"
        raise DataError(Problem(path, found, f"0..{classes - 1}", hint="for other classes, give their names"))
    return array.astype(np.int64)
