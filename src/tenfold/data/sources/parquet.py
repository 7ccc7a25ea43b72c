"""Parquet files: a column per pixel, as in Kaggle's tables, or a column of encoded images, as data-set hubs have
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.images import brought_to, decode_image
from tenfold.data.layout import DIGITS, Classes, classes_of, ways_to_name
from tenfold.data.sources import Block, Piece, Source
from tenfold.data.sources._csv_header import LABEL, Layout, label_column, layout_of_header
from tenfold.data.streams import first_bytes, hash_file, open_regular
from tenfold.errors import DataError, Problem, missing_extra, printable
from tenfold.values.dataset import Dataset, Origin
from tenfold.values.names import check_class_names

IMAGES = ("image", "img", "images", "picture", "png")
"""Names of the column of encoded images, in any case."""
_ROWS = 8192


class Parquet(Source):
    """Parquet file (.parquet): columns label, pixel0, pixel1, ...; or label and image, with encoded images inside."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and (path.suffix.lower() in (".parquet", ".pq") or first_bytes(path, 4) == b"PAR1")

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        assert path is not None
        blocks, size = [], 0
        for block in cls.blocks(path, role, options, _ROWS):
            blocks.append(block.data)
            size += block.data.images.nbytes
            if size > options.max_input_bytes:
                hint, most = "raise --max-input-bytes if that is right", f"at most {options.max_input_bytes:,}"
                raise DataError(Problem(path, f"images of more than {size:,} bytes", most, hint=hint))
        images = np.concatenate([block.images for block in blocks])
        labels = None if blocks[0].labels is None else np.concatenate([block.labels for block in blocks])
        origin = Origin(str(path), hash_file(path, options.max_input_bytes))
        ids = np.arange(1, len(images) + 1, dtype=np.int64)
        return Dataset(images, labels, ids, blocks[0].class_names, (origin,), blocks[0].notes)

    @classmethod
    def blocks(
        cls, path: Path | None, role: Role, options: ReadOptions, rows: int, piece: Piece | None = None
    ) -> Iterator[Block]:
        """See :meth:`Source.blocks`; a piece is a stretch of row groups."""
        assert path is not None
        with _opened(path, options) as file:
            table = _Table(path, file, role, options)
            groups = range(piece.start, piece.end) if piece else range(file.num_row_groups)
            first = done = piece.first if piece else 0
            count = sum(file.metadata.row_group(group).num_rows for group in groups)
            for batch in file.iter_batches(batch_size=rows, row_groups=list(groups), columns=table.columns):
                yield Block(table.dataset(batch, done), (done + len(batch) - first) / count)
                done += len(batch)

    @classmethod
    def pieces(cls, path: Path | None, role: Role, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
        assert path is not None
        with _opened(path, options) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        begun, total, first = 0, sum(sizes), 0
        for group in range(1, len(sizes) + 1):
            size = sum(sizes[begun:group])
            if size >= rows or group == len(sizes):
                yield Piece(first, begun, group, size / total, last=group == len(sizes))
                begun, first = group, first + size


@contextmanager
def _opened(path: Path, options: ReadOptions) -> Iterator[Any]:
    """The file as pyarrow has it; whatever pyarrow finds wrong is an error with its place."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise missing_extra("pyarrow", "parquet", f"reading {path}") from None
    with open_regular(path) as raw:
        try:
            with parquet.ParquetFile(raw) as file:
                size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
                if size > options.max_input_bytes:
                    expected = f"at most {options.max_input_bytes:,}"
                    hint = "raise --max-input-bytes if that is right"
                    raise DataError(Problem(path, f"{size:,} bytes when unpacked", expected, hint=hint))
                if not file.metadata.num_rows:
                    raise DataError(Problem(path, "no data rows", "at least one image"))
                yield file
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())[:200]
            raise DataError(
                Problem(path, f"no Parquet file, or a damaged one ({said})", "an intact Parquet file")
            ) from error


def _names_known(file: Any, label: str) -> tuple[str, ...] | None:
    """The names of the classes, where the file comes from a hub that writes them into its schema."""
    try:
        features = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])["info"]["features"]
        names = tuple(features[label]["names"])
        check_class_names(names)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return names or None


class _Table:
    """What the columns are, and images and labels of batches of rows."""

    def __init__(self, path: Path, file: Any, role: Role, options: ReadOptions) -> None:
        self.path, self.options = path, options
        names = [str(name) for name in file.schema_arrow.names]
        odd = next((name for name in names if names.count(name) > 1 or {",", '"'} & set(name)), None)
        if odd is not None:
            found = f"a column {printable(odd[:40])!r}" + (" twice" if names.count(odd) > 1 else "")
            raise DataError(Problem(path, found, "each column once, without commas or quotes in its name"))
        least = file.metadata.num_rows * max(1, len(names) - 1)  # each pixel is a byte at least
        if least > options.max_input_bytes:
            hint = "raise --max-input-bytes if that is right"
            raise DataError(Problem(path, f"{least:,} pixels", f"at most {options.max_input_bytes:,} bytes", hint=hint))
        self.layout: Layout | None = None
        self.image = next((name for name in names if name.lower() in IMAGES), "")
        if self.image:
            self.label = label_column(names, options)
            self.columns = [self.image, *([self.label] if self.label else [])]
            if role == "train" and self.label is None:
                raise DataError(Problem(path, f"no column {LABEL!r}", "labels to train on"))
        else:
            self.layout = layout_of_header(",".join(names).encode(), path, role, options)
            self.label = None if self.layout.label is None else names[self.layout.label]
            self.columns = names
        self.classes = Classes(options.class_names or DIGITS, {})
        if self.label is not None:
            column = file.read(columns=[self.label]).column(0)
            self.classes = classes_of(self._texts(column, 0), options.class_names or _names_known(file, self.label))
        self.notes = (self.layout.notes if self.layout else ()) + ((self.classes.note,) if self.classes.note else ())

    def dataset(self, batch: Any, first: int) -> Dataset:
        """The rows of ``batch``, the first of which is number ``first`` of the file."""
        labels = None if self.label is None else self._labels(batch.column(self.label), self.label, first)
        if self.layout is None:
            images = self._decoded(batch.column(self.image), first)
        else:
            pixels = [batch.column(self.layout.names[column]) for column in self.layout.pixels]
            images = np.empty((len(batch), len(pixels)), np.uint8)
            for place, (column, name) in enumerate(zip(pixels, self.layout.pixels, strict=True)):
                images[:, place] = self._pixels(column, self.layout.names[name], first)
            images = images.reshape(-1, *self.layout.shape)
        ids = np.arange(first + 1, first + 1 + len(batch), dtype=np.int64)
        return Dataset(images, labels, ids, self.classes.names, notes=self.notes)

    def _numbers(self, column: Any, name: str, first: int) -> NDArray[Any]:
        if column.null_count:
            row = next(row for row, value in enumerate(column) if not value.is_valid)
            raise self._fault("nothing", "a value", first + row, name)
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "ui" and not (self.options.scale is not None and values.dtype.kind == "f"):
            hint = "give --scale, the value that means 255" if values.dtype.kind == "f" else None
            raise self._fault(f"values of type {column.type}", "whole numbers", first, name, hint)
        return values

    def _pixels(self, column: Any, name: str, first: int) -> NDArray[Any]:
        values, scale = self._numbers(column, name, first), self.options.scale
        most = 255 if scale is None else scale
        bad = np.flatnonzero(~((values >= 0) & (values <= most)))
        if len(bad):
            raise self._fault(f"{values[bad[0]]}", f"0..{most:g}", first + int(bad[0]), name)
        return values if scale is None else np.floor(255 * values.astype(np.float64) / scale + 0.5)

    def _labels(self, column: Any, name: str, first: int) -> NDArray[np.int64]:
        texts = self._texts(column, first)
        bad = next((row for row, text in enumerate(texts) if text not in self.classes.numbers), None)
        if bad is not None:
            hint = ways_to_name(set(texts))
            raise self._fault(f"label {printable(texts[bad])}", self.classes.rule, first + bad, name, hint)
        return np.array([self.classes.numbers[text] for text in texts], dtype=np.int64)

    def _texts(self, column: Any, first: int) -> list[str]:
        """Labels as they are written: words, or whole numbers."""
        assert self.label is not None
        texts = []
        for row, value in enumerate(column.to_pylist()):
            if value is None:
                raise self._fault("nothing", "a value", first + row, self.label)
            if isinstance(value, float) and not value.is_integer():
                raise self._fault(f"label {value}", "a whole number", first + row, self.label)
            if not isinstance(value, str | int | float):
                raise self._fault(f"a label of type {column.type}", "a number or a word", first + row, self.label)
            texts.append(value.strip() if isinstance(value, str) else str(int(value)))
        return texts

    def _decoded(self, column: Any, first: int) -> NDArray[np.uint8]:
        """Encoded images: bytes, or a struct with ``bytes`` as data-set hubs write it."""
        images: list[NDArray[np.uint8]] = []
        options = self.options
        shape = None if options.resize else options.shape
        for row, value in enumerate(column.to_pylist()):
            content = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(content, bytes):
                raise self._fault(
                    "no bytes", "an encoded image, or a struct with the field 'bytes'", first + row, self.image
                )
            pixels = decode_image(content, f"{self.path}, image {first + row + 1}", channels=options.channels)
            pixels = brought_to(pixels, options.resize, keep_aspect=options.keep_aspect)
            expected = images[0].shape if images else shape or pixels.shape
            if pixels.shape != expected:
                raise self._fault(
                    f"an image of {pixels.shape}",
                    f"{expected}, as the others (C, H, W)",
                    first + row,
                    self.image,
                    f"pass --resize {expected[1]}x{expected[2]}",
                )
            images.append(pixels)
        return np.stack(images)

    def _fault(self, found: str, expected: str, row: int, name: str, hint: str | None = None) -> DataError:
        """A fault of row ``row``, counted from 0; people count from 1."""
        place = self.columns.index(name) + 1
        return DataError(Problem(self.path, found, expected, row=row + 1, column=place, column_name=name, hint=hint))
