"""Tables of pixels as Kaggle hands them out; nothing that is not beyond doubt is accepted.

Plain readers are dangerous here: one field too many in the first row and pandas takes the label for
an index and shifts every image by one pixel, without a word.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.layout import DIGITS, MOST_CLASSES, Classes, classes_of, ways_to_name
from tenfold.data.sources import Block, Piece, Source, line_pieces, regrouped
from tenfold.data.sources._csv_cells import LONGEST_LINE, CarefulReader, keep_freed_memory, parse_digits
from tenfold.data.sources._csv_header import Layout, counts_columns, layout_of_fields, layout_of_header
from tenfold.data.streams import (
    ByteStream,
    first_bytes,
    looks_like,
    open_archive,
    open_regular,
    open_stream,
    open_stretch,
)
from tenfold.errors import DataError, Problem
from tenfold.runtime import cores
from tenfold.values.dataset import Dataset, Origin

BLOCK = 256 * 1024  # what the steps of parse_digits keep in a core's cache
_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_SEPARATORS = {b"\t": "tabs", b";": "semicolons"}
GROWTH = 2  # what is not written to yet takes no memory


class KaggleCsv(Source):
    """Table with a column per pixel: .csv, .csv.gz, Kaggle's zip, or a folder with train.csv and test.csv."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if path.is_dir():
            return any((path / name).exists() for role in ("train", "test") for name in _table_names(role))
        name = path.name.lower()
        if name.endswith(".zip"):
            return True
        return name.endswith(_ENDINGS) or first_bytes(path).startswith((b"label,", b"pixel0,", b"label\t", b"label;"))

    @classmethod
    def inputs(cls, path: Path, role: Role) -> Sequence[Path]:
        return [_table_file(path, role)]

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        assert path is not None
        path = _table_file(path, role)
        member = _zip_member(path, role) if path.suffix.lower() == ".zip" else None
        classes = classes_of((), options.class_names or DIGITS)
        try:
            with open_stream(path, options.max_input_bytes, member=member) as stream:
                layout, images, labels = _read_table(stream, role, options, classes)
        except DataError as error:
            classes = _other_classes(path, member, role, options, error)
            with open_stream(path, options.max_input_bytes, member=member) as stream:
                layout, images, labels = _read_table(stream, role, options, classes)
        return Dataset(
            images=images.reshape(-1, *layout.shape),
            labels=labels,
            ids=np.arange(1, len(images) + 1, dtype=np.int64),
            class_names=classes.names,
            origin=(Origin(str(path), stream.sha256),),
            notes=(*layout.notes, *([classes.note] if classes.note else [])),
        )

    @classmethod
    def blocks(
        cls, path: Path | None, role: Role, options: ReadOptions, rows: int, piece: Piece | None = None
    ) -> Iterator[Block]:
        assert path is not None
        path = _table_file(path, role)
        limit, classes = options.max_input_bytes, classes_of((), options.class_names or DIGITS)
        with ExitStack() as files:
            if piece is None:
                member = _zip_member(path, role) if path.suffix.lower() == ".zip" else None
                stream = files.enter_context(open_stream(path, limit, member=member))
                lines = _line_blocks(stream)
                layout, first, row = _open_table(stream, next(lines, b""), role, options)
                lines, number, last = chain([first], lines), 1, True
            else:
                with open_stretch(path, limit, 0, piece.end) as head:
                    layout, _, row = _open_table(head, next(_line_blocks(head), b""), role, options)
                stream = files.enter_context(open_stretch(path, limit, piece.start, piece.end))
                stream.translation = head.translation
                lines, row, number, last = _line_blocks(stream), row + piece.first, piece.first + 1, piece.last
            for numbers in regrouped(_rows(path, layout, lines, row, options, classes, last=last), rows):
                images = numbers[:, layout.pixel_columns()].astype(np.uint8).reshape(-1, *layout.shape)
                labels = None if layout.label is None else numbers[:, layout.label].astype(np.int64)
                ids = np.arange(number, number + len(numbers), dtype=np.int64)
                yield Block(Dataset(images, labels, ids, classes.names, notes=layout.notes), stream.share)
                number += len(numbers)
        if number == 1:
            raise DataError(Problem(path, "no data rows", "at least one image after the header"))

    @classmethod
    def pieces(cls, path: Path | None, role: Role, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
        assert path is not None
        path = _table_file(path, role)
        if path.suffix.lower() in (".zip", ".gz"):  # there is no way to the middle but from the start
            yield None
            return
        with open_stream(path, options.max_input_bytes) as stream:
            yield from line_pieces(stream, rows, header=options.header)


def _table_names(role: str) -> tuple[str, ...]:
    return tuple(role + ending for ending in _ENDINGS)


def _table_file(path: Path, role: Role) -> Path:
    """``path`` itself, or the table for ``role`` if it is a folder."""
    if not path.is_dir():
        return path
    for name in _table_names(role):
        if (path / name).exists():
            return path / name
    raise DataError(Problem(path, f"a folder without {role}.csv", " or ".join(_table_names(role))))


def _zip_member(path: Path, role: Role) -> str:
    """The name of the table for ``role`` in a zip archive: train.csv or test.csv, or the only table there."""
    with open_regular(path) as file, open_archive(path, file) as archive:
        tables = [
            name for name in archive.namelist() if name.lower().endswith((".csv", ".tsv")) and "__MACOSX" not in name
        ]
    named = [name for name in tables if PurePosixPath(name).stem.lower() == role]
    named = named or [name for name in tables if re.search(rf"(^|[_-]){role}\b", PurePosixPath(name).stem.lower())]
    chosen = named or (tables if len(tables) == 1 else [])
    if len(chosen) != 1:
        found = f"{len(chosen)} files named {role}.csv" if chosen else f"a zip archive without {role}.csv"
        inside = ", ".join(tables[:10]) or "no tables at all"
        raise DataError(Problem(path, found, f"one {role}.csv inside", hint=f"it holds {inside}"))
    return chosen[0]


def _read_table(
    stream: ByteStream, role: Role, options: ReadOptions, classes: Classes
) -> tuple[Layout, NDArray[np.uint8], NDArray[np.int64] | None]:
    """The layout, the pixels (N, P) and the labels (N,) of a table."""
    lines = _line_blocks(stream)
    layout, first, row = _open_table(stream, next(lines, b""), role, options)
    columns = layout.pixel_columns()
    images = np.empty((0, len(layout.pixels)), np.uint8)
    labels: list[NDArray[np.int64]] = []
    count = 0
    for numbers in _rows(stream.path, layout, chain([first], lines), row, options, classes):
        end = count + len(numbers)
        if end > len(images):
            images.resize((max(end, GROWTH * len(images)), images.shape[1]), refcheck=False)
        images[count:end] = numbers[:, columns]
        if layout.label is not None:
            labels.append(numbers[:, layout.label].astype(np.int64))
        count = end
    if count == 0:
        raise DataError(Problem(stream.path, "no data rows", "at least one image after the header"))
    images.resize((count, images.shape[1]), refcheck=False)
    return layout, images, np.concatenate(labels) if labels else None


def _rows(
    path: Path,
    layout: Layout,
    lines: Iterable[bytes],
    row: int,
    options: ReadOptions,
    classes: Classes,
    *,
    last: bool = True,
) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """The values (n, fields) of blocks of whole lines, the first of which is line ``row`` of the file.

    After a fault nothing more comes: the rest is only looked through for further ones, which are raised
    together at the end. Unless these are the ``last`` lines of the table, blank ones at their end are faults.
    """
    careful = CarefulReader(path, layout, options, classes)
    table = np.full(256, -1, np.int64)
    for text, number in classes.numbers.items():
        if re.fullmatch("[0-9]{1,3}", text) and int(text) < len(table) and number < len(table):  # else cell by cell
            table[int(text)] = number
    keep_freed_memory()
    for block, values in _parsed(filter(None, lines), layout, options):
        if len(block) > LONGEST_LINE and b"\n" not in block:
            careful.too_long(block, row)
            break
        if values is None or not _as_classes(values, layout, table):
            numbers: NDArray[np.unsignedinteger[Any]] = careful.parse(block, row)
            row += block.count(b"\n")
        else:
            careful.refuse_blank_before(row)
            numbers = values
            row += len(values)
        if not careful.total and len(numbers):
            yield numbers
    if not last:
        careful.refuse_blank_before(row)
    careful.raise_if_any()


def _parsed(
    blocks: Iterable[bytes], layout: Layout, options: ReadOptions
) -> Iterator[tuple[bytes, NDArray[np.uint8] | None]]:
    """Each block with LF line ends, and its values where :func:`parse_digits` is sure; all cores work ahead."""

    def parse(block: bytes) -> tuple[bytes, NDArray[np.uint8] | None]:
        block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
        return block, parse_digits(block, layout.fields) if options.scale is None else None

    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[tuple[bytes, NDArray[np.uint8] | None]]] = deque()
        for block in blocks:
            ahead.append(pool.submit(parse, block))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _as_classes(values: NDArray[np.uint8], layout: Layout, table: NDArray[np.int64]) -> bool:
    """Whether every label is one of ``table`` (256,), whose numbers then take their place."""
    if layout.label is not None:
        numbers = table[values[:, layout.label]]
        if numbers.min() < 0:
            return False
        values[:, layout.label] = numbers
    return True


def _other_classes(path: Path, member: str | None, role: Role, options: ReadOptions, error: DataError) -> Classes:
    """The classes of a table whose labels are none of the expected ones, where they are beyond doubt.

    Raises:
        DataError: ``error``, with the option that names the classes if the labels could be such.
    """
    counts: Counter[str] = Counter()
    with open_stream(path, options.max_input_bytes, member=member) as stream:
        lines = _line_blocks(stream)
        layout, first, _ = _open_table(stream, next(lines, b""), role, options)
        if layout.label is None:
            raise error
        for block in chain([first], lines):
            for line in filter(bytes.strip, block.split(b"\n")):
                fields = line.split(b",", layout.label + 1)
                cell = fields[layout.label] if layout.label < len(fields) else b""
                counts[cell.decode("utf-8", "replace").strip(' \t\r"')[:256]] += 1
            if len(counts) > MOST_CLASSES:
                raise error
    classes = classes_of(counts, options.class_names)
    if all(label in classes.numbers for label in counts) and 2 * len(counts) <= counts.total() and classes.note:
        return classes
    if not all(label.isdigit() for label in counts) or set(counts) <= set(classes.numbers):
        raise error
    first_problem = replace(error.problems[0], hint=error.problems[0].hint or ways_to_name(counts))
    raise DataError(first_problem, *error.problems[1:], total=error.total) from None


def _open_table(stream: ByteStream, block: bytes, role: Role, options: ReadOptions) -> tuple[Layout, bytes, int]:
    """The layout, what follows the header in the first block, and the number of the line where that begins.

    A table whose first line is separated by tabs or semicolons is translated from there on: these become commas, and
    commas the points that they are in such tables. No place moves.
    """
    path, separator = stream.path, _separator(block) if stream.translation is None else None
    if separator is not None:
        stream.translation = bytes.maketrans(separator + b",", b",.")
        layout, rest, row = _open_table(stream, block.translate(stream.translation), role, options)
        note = f"the columns are separated by {_SEPARATORS[separator]}; a comma is a decimal point"
        return replace(layout, notes=(note, *layout.notes)), rest, row
    if not block:
        raise DataError(Problem(path, "nothing: the file is empty", "a table with one image a line"))
    found = looks_like(block[:512])
    if found is not None:
        raise DataError(Problem(path, *_foreign(path, found)))
    block = block.removeprefix(b"\xef\xbb\xbf")
    line, newline, rest = block.partition(b"\n")
    line = line.removesuffix(b"\r")
    if b"\r" in line:
        raise DataError(
            Problem(path, "lines that end in CR only", "LF or CR LF", row=1, hint="convert: tr '\\r' '\\n'")
        )
    if not line.strip():
        raise DataError(Problem(path, "a blank line", "column names", row=1))
    if len(line) >= LONGEST_LINE:
        raise DataError(Problem(path, f"a line of more than {LONGEST_LINE:,} characters", "column names", row=1))
    if b"\0" in line:
        column = line[: line.index(b"\0")].count(b",") + 1
        raise DataError(Problem(path, "a NUL byte", "text", row=1, column=column))
    if options.header:
        return layout_of_header(line, path, role, options), rest, 2
    if counted := counts_columns(line):
        raise DataError(
            Problem(path, f"a header: line 1 counts {counted}", "an image, by --no-header", row=1, hint="leave it out")
        )
    return layout_of_fields(line.count(b",") + 1, path, role, options), line + newline + rest, 1


def _separator(block: bytes) -> bytes | None:
    """What the first line is separated by, if that is no comma."""
    line = block[:512].partition(b"\n")[0]
    return next((one for one in _SEPARATORS if line.count(one) > line.count(b",")), None)


def _foreign(path: Path, found: str) -> tuple[str, str]:
    """(found, expected) for content that is no table."""
    if found == "UTF-16":
        return "text that is not UTF-8 (looks like UTF-16)", "UTF-8; save the table as UTF-8"
    name = path.name.removesuffix(".gz").removesuffix(".zip").removesuffix(".csv")
    advice = {
        "gzip data": f"is gzip data; rename to {name}.csv.gz",
        "a zip archive": f"is a zip archive; rename to {name}.zip",
        "HTML": "looks like HTML; was it saved from a page that wanted a login?",
        "a Git LFS pointer": "is a Git LFS pointer; fetch the data with: git lfs pull",
    }
    return f"no table: it {advice.get(found, f'is {found}')}", "comma-separated text"


def _line_blocks(stream: ByteStream) -> Iterator[bytes]:
    """Blocks of whole lines. The last may lack its newline; a line that is too long ends the stream."""
    pending: list[bytes] = []
    length = 0
    while chunk := stream.read(BLOCK):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join([*pending, chunk[:cut]])
            pending, length = [], 0
        pending.append(chunk[cut:])
        length += len(chunk) - cut
        if length > LONGEST_LINE:
            break
    if length:
        yield b"".join(pending)
