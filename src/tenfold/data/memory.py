"""What is in memory already as a Dataset: arrays, pictures, tensors, frames; the same values give the same images.

============================  =========================================================================
pixels                        become
============================  =========================================================================
bool                          0 and 255
numbers, the largest is 1     ``round(255 * value)``: 0..1, whatever their type
other numbers up to 255       the nearest whole number
further, negative, not given  refused; ``ReadOptions(scale=...)`` names the value that means 255
transparent pictures          their colours on the ground that they stand out from
============================  =========================================================================

Images are (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1, 2 (grey and alpha), 3 or 4 (RGB and alpha); rows of
pixels are (N, D). A frame is read by the names of its columns, as a table in a file is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.images import (
    DEFAULT_LIMITS,
    ImageLimits,
    brought_to,
    check_size,
    composed,
    decode_image,
    levels_of,
    with_channels,
)
from tenfold.data.layout import range_fault
from tenfold.errors import DataError, Problem, missing_extra, printable
from tenfold.values.dataset import Dataset

DIGITS = tuple("0123456789")
WHERE = "the data in memory"
SHAPES = "(N, H, W), (N, C, H, W), (N, H, W, C) or rows (N, D)"
_BANDS = (1, 3, 2, 4)
"""Channels of a picture, the usual ones first; 2 and 4 have an alpha channel behind grey and RGB."""
_IMAGE_COLUMNS = ("image", "img", "images", "pixels")
_MOST_CLASSES = 1000


_RESIZE = "bring them to one size: options=tenfold.ReadOptions(resize=(H, W))"


def dataset_of(source: Any, role: Role = "train", options: ReadOptions | None = None) -> Dataset:
    """The images of ``source``, with labels where it has them.

    Args:
        source: a Dataset, which is returned; pixels; a pair (pixels, labels); or a frame of pandas, polars, pyarrow or
            ``datasets``, with a column for each pixel or one of pictures, and one of labels.
        role: "train" insists on labels.
        options: ``scale``, ``shape`` and ``class_names`` count here.

    Raises:
        DataError: not images, not labels, or another number of them; the message says how to bring them into form.
    """
    options = options or ReadOptions()
    if isinstance(source, Dataset):
        return source
    labels: Any = None
    if isinstance(source, tuple) and len(source) == 2 and not (is_picture(source[0]) or dimensions(source[1]) > 2):
        source, labels = source
    notes: list[str] = []
    names: tuple[str, ...] | None = None
    if _is_frame(source):
        images, found, names = _of_frame(source, "test" if labels is not None else role, options, notes)
        labels = found if labels is None else labels
    else:
        images = pixels_of(source, options, notes)
    if images.nbytes > options.max_input_bytes:
        most = f"at most {options.max_input_bytes:,}; raise max_input_bytes"
        raise DataError(Problem(WHERE, f"images of {images.nbytes:,} bytes", most))
    known = options.class_names or names
    numbers = None
    if labels is not None:
        numbers, known = labels_of(labels, len(images), known)
    elif role == "train":
        raise DataError(Problem(WHERE, "no labels", "labels to train on: a pair (images, labels)"))
    if fault := range_fault(images):
        notes.append(fault.replace("pass --scale ", "in Python options=tenfold.ReadOptions(scale=") + ")")
    ids = np.arange(1, len(images) + 1, dtype=np.int64)
    return Dataset(images, numbers, ids, known or DIGITS, notes=tuple(notes))


def pixels_of(source: Any, options: ReadOptions, notes: list[str]) -> NDArray[np.uint8]:
    """uint8 (N, C, H, W) of pictures in one of the shapes above; what was taken for granted is added to ``notes``."""
    if is_picture(source):
        source = [source]
    if (
        isinstance(source, Sequence)
        and not isinstance(source, str | bytes)
        and any(dimensions(one) != 1 for one in source)
    ):
        return _stacked([picture_of(one, f"image {n} of {WHERE}") for n, one in enumerate(source)], options)
    array = as_array(source)
    if array.size == 0:
        raise _fault(f"an array of shape {array.shape}", "at least one image")
    levels, note = as_levels(array, options.scale)
    notes.extend([note] if note else [])
    wanted = options.shape
    if levels.ndim == 2 and wanted is not None and levels.shape == wanted[1:]:
        levels = levels[None]  # one picture
    if levels.ndim == 2:
        side = math.isqrt(levels.shape[1])
        shape = wanted or (1, side, side)
        if math.prod(shape) != levels.shape[1]:
            expected = f"{math.prod(shape):,} for images of {shape} (C, H, W)" if wanted else "a square number"
            raise _fault(
                f"rows of {levels.shape[1]:,} pixels", expected, "give options=tenfold.ReadOptions(shape=(C, H, W))"
            )
        return np.ascontiguousarray(levels).reshape(-1, *shape)
    if levels.ndim == 3 and levels.shape[2] in (3, 4) and min(levels.shape[:2]) > 4:
        levels = levels[None]  # one picture in colours, channels last
    if levels.ndim == 3:
        levels = levels[:, None]
    if levels.ndim != 4 or not {levels.shape[1], levels.shape[3]} & set(_BANDS):
        raise _fault(f"an array of shape {array.shape}", SHAPES)
    return _fitting(_opaque(channels_first(levels, wanted)), wanted)


def picture_of(picture: Any, name: str, limits: ImageLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """uint8 (1 or 3, H, W) of one picture: Pillow's, or an array (H, W), (C, H, W) or (H, W, C) of the types above.

    Raises:
        DataError: none of these, or too large.
    """
    if isinstance(picture, dict) and isinstance(picture.get("bytes"), bytes):  # as data-set hubs keep them
        picture = picture["bytes"]
    if isinstance(picture, bytes | bytearray):
        return decode_image(bytes(picture), name, limits)
    if is_picture(picture):
        from PIL import ImageOps

        check_size(picture.size, name, limits)
        try:
            return np.ascontiguousarray(levels_of(ImageOps.exif_transpose(picture), limits.background))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(Problem(name, f"a picture that cannot be decoded ({error})", "a whole picture")) from error
    array = as_array(picture, name)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and not {*array.shape[::2]} & set(_BANDS)):
        expected = "(H, W), (H, W, 3), (H, W, 4), (1, H, W) or (3, H, W)"
        raise DataError(Problem(name, f"pixels of shape {array.shape}", expected))
    planes = array[None] if array.ndim == 2 else array
    check_size((planes.shape[2], planes.shape[1]), name, limits)
    levels, _ = as_levels(planes, name=name)
    return _opaque(channels_first(levels[None], None))[0]


def as_array(source: Any, where: str = WHERE) -> NDArray[Any]:
    """The numbers in ``source``: NumPy's own, or what speaks its protocols, such as tensors on any device.

    Raises:
        DataError: something else, or lists of different lengths.
    """
    if callable(getattr(source, "detach", None)):  # a tensor of torch, which may be on a GPU or have a gradient
        source = source.detach().cpu()
        source = source.float() if str(getattr(source, "dtype", "")) == "torch.bfloat16" else source
    if isinstance(source, str | bytes) or source is None:
        raise _fault(f"{type(source).__name__} {printable(source)[:40]!r}", f"pixels {SHAPES}")
    try:
        if not hasattr(source, "__array__") and hasattr(source, "__dlpack__"):
            return np.from_dlpack(source)
        if (array := np.asarray(source)).dtype == object and array.ndim == 0:
            raise TypeError(f"a value of {type(source).__module__}")
        return array
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        said = " ".join(str(error).split())[:120]
        raise DataError(
            Problem(where, f"{type(source).__name__}, which is no array ({said})", f"pixels {SHAPES}")
        ) from None


def as_levels(
    values: NDArray[Any], scale: float | None = None, name: str = WHERE
) -> tuple[NDArray[np.uint8], str | None]:
    """``values`` of any shape as 0..255, by the table above, and what people should know about it.

    Raises:
        DataError: not numbers, not finite, or out of range.
    """
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), None
    if values.dtype == object:
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(Problem(name, "pixels that are no numbers", "numbers 0..255 or 0..1")) from None
    if values.dtype.kind not in "uif":
        raise DataError(Problem(name, f"{values.dtype} pixels", "numbers 0..255 or 0..1"))
    if values.dtype.kind == "f" and (missing := int(np.count_nonzero(~np.isfinite(values)))):
        raise DataError(Problem(name, f"{missing:,} pixels that are missing or infinite", "numbers 0..255 or 0..1"))
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < 0:
        centred = high <= 1 and low >= -1
        hint = "undo the normalisation first" + (": (x + 1) / 2" if centred else ", such as x * std + mean")
        raise DataError(Problem(name, f"pixels {low:g}..{high:g}", "0..255 or 0..1", hint=hint))
    most = 255 if scale is None else scale
    if high > most:
        hint = "give the value that means 255: options=tenfold.ReadOptions(scale=...)"
        raise DataError(Problem(name, f"pixels up to {high:g}", f"0..{most:g}", hint=hint))
    if scale is not None:
        return np.floor(255 * values.astype(np.float64) / scale + 0.5).astype(np.uint8), None
    if 0 < high <= 1:
        return np.rint(255 * values.astype(np.float64)).astype(np.uint8), "the pixels are 0..1: 1 became 255"
    return (values if values.dtype == np.uint8 else np.rint(values).astype(np.uint8)), None


def labels_of(
    labels: Any, count: int, class_names: tuple[str, ...] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels (N,) of any type as numbers 0..K-1 of classes, and the classes' names.

    Without ``class_names`` whole numbers 0..9 are digits; of others, and of words, the classes are those that occur.

    Raises:
        DataError: another number of labels than of images, or values that are no classes.
    """
    array = as_array(labels.to_numpy() if hasattr(labels, "to_numpy") else labels, "the labels")
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim == 2:
        raise DataError(Problem("the labels", f"shape {array.shape}", f"({count},)", hint="of one-hot rows: argmax(1)"))
    if array.shape != (count,):
        raise DataError(Problem("the labels", f"shape {array.shape}", f"({count},), one for each image"))
    if array.dtype.kind == "f":
        odd = np.flatnonzero(~np.isfinite(array) | (array != np.floor(array)))
        if len(odd):
            raise DataError(Problem("the labels", f"{array[odd[0]]} at row {odd[0]:,}", "whole numbers or words"))
        array = array.astype(np.int64)
    if array.dtype.kind in "ui" and (class_names or (array.size and array.min() >= 0 and array.max() <= 9)):
        names = class_names or DIGITS
        bad = np.flatnonzero((array < 0) | (array >= len(names)))
        if not len(bad):
            return array.astype(np.int64), names
    texts = [printable(value) for value in array.tolist()]
    if missing := [row for row, value in enumerate(array.tolist()) if value is None or value != value]:
        raise DataError(Problem("the labels", f"nothing at row {missing[0]:,}", "a label for each image"))
    numeric = array.dtype.kind in "ui"
    found = sorted(set(texts), key=int) if numeric else sorted(set(texts))
    names = class_names or (DIGITS if set(found) <= set(DIGITS) else tuple(found))
    place = {name: number for number, name in enumerate(names)}
    if unknown := [(row, text) for row, text in enumerate(texts) if text not in place]:
        row, text = unknown[0]
        raise DataError(Problem("the labels", f"{text!r} at row {row:,}", f"one of {', '.join(names)[:200]}"))
    if len(names) > _MOST_CLASSES:
        raise DataError(Problem("the labels", f"{len(names):,} different values", f"at most {_MOST_CLASSES:,} classes"))
    return np.array([place[text] for text in texts], dtype=np.int64), names


def pictures_in(source: Any, shape: tuple[int, int, int]) -> list[Any] | None:
    """The pictures that ``source`` is or lists, which need not have one size; None if it is a set of images, or rows
    of pixels of ``shape``.
    """
    if is_picture(source):
        return [source]
    if isinstance(source, Dataset) or _is_frame(source):
        return None
    if (
        isinstance(source, list | tuple)
        and source
        and all(is_picture(one) or dimensions(one) in (2, 3) for one in source)
    ):
        return list(source)
    return [source] if dimensions(source) == 2 and np.shape(source)[1] != math.prod(shape) else None


def _of_frame(
    frame: Any, role: Role, options: ReadOptions, notes: list[str]
) -> tuple[NDArray[np.uint8], Any, tuple[str, ...] | None]:
    """Images, labels or None, and the names of classes that the frame knows of its labels."""
    from tenfold.data.sources._csv_header import LABEL_COLUMNS, layout_of_header

    if not hasattr(frame, "columns") and not hasattr(frame, "column_names"):
        try:
            import pyarrow
        except ImportError:
            raise missing_extra("pyarrow", "parquet", f"reading a {type(frame).__name__}") from None
        if hasattr(frame, "__arrow_c_stream__"):
            frame = pyarrow.table(frame)
        else:
            from pyarrow import interchange

            frame = interchange.from_dataframe(frame)
    columns = list(getattr(frame, "column_names", None) or frame.columns)
    names = [str(name) for name in columns]
    where = f"the {type(frame).__name__}"
    if odd := [name for name in names if names.count(name) > 1 or {",", '"', "\n"} & set(name)]:
        raise DataError(Problem(where, f"a column {odd[0][:40]!r}", "each column once, without commas in its name"))
    pictures = next((place for place, name in enumerate(names) if name.lower() in _IMAGE_COLUMNS), None)
    if pictures is not None:
        label = next((place for place, name in enumerate(names) if name.lower() in LABEL_COLUMNS), None)
        found = [picture_of(one, f"{where}, row {n}") for n, one in enumerate(_values(frame, columns[pictures]))]
        images = _stacked(found, options)
    else:
        layout = layout_of_header(",".join(names).encode(), where, role, options)
        label = layout.label
        rows = np.column_stack([as_array(_values(frame, columns[place]), where) for place in layout.pixels])
        images = pixels_of(rows, replace(options, shape=layout.shape), notes)
        notes.extend(layout.notes)
    if label is None:
        return images, None, None
    features = getattr(frame, "features", None) or {}
    known = getattr(features.get(columns[label]), "names", None) if isinstance(features, dict) else None
    return images, list(_values(frame, columns[label])), tuple(map(str, known)) if known else None


def _values(frame: Any, column: Any) -> Any:
    """A column as pandas, polars, pyarrow and ``datasets`` hand it out."""
    values = frame[column]
    if hasattr(values, "to_pylist") and str(values.type).startswith(("struct", "binary", "large_binary", "list")):
        return values.to_pylist()
    return values.to_numpy() if hasattr(values, "to_numpy") else list(values)


def _is_frame(source: Any) -> bool:
    """Whether ``source`` has columns with names: a frame, or what speaks a protocol of frames."""
    if hasattr(source, "columns") or hasattr(source, "column_names"):
        return hasattr(source, "__getitem__")
    spoken = any(hasattr(source, protocol) for protocol in ("__arrow_c_stream__", "__dataframe__"))
    return spoken and len(getattr(source, "shape", (0, 0))) == 2


def is_picture(source: Any) -> bool:
    """Whether ``source`` is Pillow's image."""
    return hasattr(source, "getbands") and hasattr(source, "convert")


def dimensions(source: Any) -> int:
    """Dimensions of an array, a tensor, or lists of numbers; 3 of a picture."""
    if is_picture(source) or isinstance(source, dict | bytes | bytearray):
        return 3
    if isinstance(source, list | tuple):
        return 1 + dimensions(source[0]) if source else 1
    return len(source.shape) if hasattr(source, "shape") else 0


def channels_first(levels: NDArray[Any], wanted: tuple[int, int, int] | None = None) -> NDArray[Any]:
    """(N, C, H, W) of an array in either layout; ``wanted`` decides where both would do."""
    first, last = levels.shape[1:], (levels.shape[3], *levels.shape[1:3])
    is_first = levels.shape[1] in _BANDS[:2] or levels.shape[3] not in _BANDS
    if wanted is not None and first[1:] != last[1:] and wanted[1:] in (first[1:], last[1:]):
        is_first = wanted[1:] == first[1:]
    return levels if is_first else np.moveaxis(levels, 3, 1)


def _opaque(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 1 or 3, H, W): transparent pixels get the ground that each picture stands out from."""
    if levels.shape[1] in (1, 3):
        return np.ascontiguousarray(levels)
    return np.stack([composed(picture.transpose(1, 2, 0), None) for picture in levels])


def _stacked(pictures: list[NDArray[np.uint8]], options: ReadOptions) -> NDArray[np.uint8]:
    """Pictures of one size as (N, C, H, W); of mixed channels, as many as are wanted, else grey if all are grey."""
    if not pictures:
        raise _fault("no pictures", "at least one")
    pictures = [brought_to(picture, options.resize, keep_aspect=options.keep_aspect) for picture in pictures]
    sizes = [picture.shape[1:] for picture in pictures]
    odd = next((n for n, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        found = f"image {odd} with {sizes[odd][0]}x{sizes[odd][1]} pixels"
        raise _fault(found, f"{sizes[0][0]}x{sizes[0][1]}, as the first", _RESIZE)
    grey = all(len(picture) == 1 or bool((picture == picture[0]).all()) for picture in pictures)
    channels = options.channels or (1 if grey else 3)
    wanted = None if options.resize else options.shape
    return _fitting(np.stack([with_channels(picture, channels) for picture in pictures]), wanted)


def _fitting(images: NDArray[np.uint8], wanted: tuple[int, int, int] | None) -> NDArray[np.uint8]:
    """``images`` with the channels of ``wanted`` (C, H, W), if they have its size."""
    if wanted is None or images.shape[1:] == wanted:
        return images
    if images.shape[2:] == wanted[1:] and wanted[0] in (1, 3):
        return np.stack([with_channels(picture, wanted[0]) for picture in images])
    raise _fault(f"images of {images.shape[1:]} (C, H, W)", f"{wanted}", _RESIZE)


def _fault(found: str, expected: str, hint: str | None = None) -> DataError:
    return DataError(Problem(WHERE, found, expected, hint=hint))
