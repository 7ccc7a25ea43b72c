"""Archives of NumPy arrays, read without NumPy's own loader: that one believes the sizes a file declares."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.layout import DIGITS, Classes, numbered
from tenfold.data.sources import Source
from tenfold.data.streams import ByteStream, open_archive, open_regular, open_stream
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset, Origin

BLOCK = 1 << 20
CHANNELS = (1, 3)
_LARGEST_HEADER = 10_000
# (images, labels): MedMNIST's names, Keras', then files that hold one set only
_ONE_SET = [("images", "labels"), ("x", "y"), ("data", "target"), ("data", "labels"), ("image", "label")]
_KEYS = {
    "train": [("train_images", "train_labels"), ("x_train", "y_train"), ("train_x", "train_y"), *_ONE_SET],
    "test": [("test_images", "test_labels"), ("x_test", "y_test"), ("test_x", "test_y"), *_ONE_SET],
}
_ALONE = "arr_0"
"""The name that numpy.savez gives to an array without one: labels lie in a file of their own."""
_ELEMENT = re.compile(r"[<>|=](?:[ui][1248]|f[48]|b1|U[1-9][0-9]?)")
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
            keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        place, key, labels_place, labels_key = _arrays(path, keys, role)
        images, origin = _read_array(place, key, options.max_input_bytes)
        images = _as_images(images, path, key, options)
        if labels_key is None:
            if role == "train":
                wanted = next((labels for name, labels in _KEYS[role] if name == key.lower()), "y_train")
                raise DataError(Problem(path, f"no array {wanted!r}", "labels to train on"))
            return Dataset(images, None, np.arange(1, len(images) + 1), options.class_names or DIGITS, (origin,))
        raw, beside = _read_array(labels_place, labels_key, options.max_input_bytes)
        labels, classes = _as_labels(raw, labels_place, labels_key, len(images), options)
        notes = (classes.note,) if classes.note else ()
        if labels_place != path:
            notes = (f"the labels are in {labels_place.name}", *notes)
        origins = (origin,) if labels_place == path else (origin, beside)
        return Dataset(images, labels, np.arange(1, len(images) + 1), classes.names, origins, notes)


def _arrays(path: Path, keys: list[str], role: Role) -> tuple[Path, str, Path, str | None]:
    """File and name of the images, and of the labels or None; names count in any case."""
    lower = {key.lower(): key for key in reversed(keys)}
    for images, labels in _KEYS[role]:
        if images in lower:
            return path, lower[images], path, lower.get(labels)
    if keys == [_ALONE]:
        for word in ("images", "imgs", "image", "img", "x", "data"):
            parts = re.split(rf"(?i)(?<![a-z]){word}(?![a-z])", path.name)
            if len(parts) != 2:
                continue
            for other in ("labels", "label", "y", "target"):
                if (beside := path.with_name(other.join(parts))).is_file():
                    return path, _ALONE, beside, _ALONE
        return path, _ALONE, path, None
    if set(keys) == {"arr_0", "arr_1"}:
        return path, "arr_0", path, "arr_1"
    known = ", ".join(images for images, _ in _KEYS[role])
    raise DataError(Problem(path, f"arrays {sorted(keys)[:10]}", f"images under one of the names {known}"))


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
    if match is None or not _ELEMENT.fullmatch(match[1]):
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


def _as_labels(
    array: NDArray[Any], path: Path, key: str, images: int, options: ReadOptions
) -> tuple[NDArray[np.int64], Classes]:
    """``array`` as int64 (N,), and its classes; (N, 1), as MedMNIST has it, will do."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (images,):
        raise DataError(Problem(path, f"{key!r} with shape {array.shape}", f"({images},), as many as images"))
    if array.dtype.kind not in "uiU":
        raise DataError(Problem(path, f"{key!r} of type {array.dtype}", "whole numbers or words"))
    return numbered(array, options.class_names, path, repr(key))
