"""Sources in stretches: where the lines of a table can be cut, and rows regrouped into blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.files import ByteStream
from tenfold.data.sources import Piece

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"


def line_pieces(stream: ByteStream, rows: int, *, header: bool) -> Iterator[Piece]:
    """Stretches of ``rows`` lines of a table, in bytes, counted without looking at what the lines say.

    Blank lines at the end of the file belong to the last piece, so that a blank line at the end of any other
    piece is one in the middle of the table.
    """
    position, lines = 0, -1 if header else 0  # of this chunk; lines that have ended before it, without the header
    first, start = 0, 0  # of the next piece
    ready: Piece | None = None  # held back until something that is not blank follows
    while chunk := stream.read(_CHUNK):
        if position == 0 and not header and chunk.startswith(_BOM):
            start = len(_BOM)
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + 1
        if lines < 0 and len(ends):
            start, lines = position + int(ends[0]), 0
            ends = ends[1:]
        cuts = ends[max(0, rows - 1 - (lines - first)) :: rows]
        for cut in (position + cuts).tolist():
            if ready is not None and _solid(chunk, ready.end - position):
                yield ready
                ready = None
            if ready is None:
                ready = Piece(first, start, cut, (cut - start) / stream.most)
                first, start = first + rows, cut
        if ready is not None and _solid(chunk, ready.end - position):
            yield ready
            ready = None
        lines += len(ends)
        position += len(chunk)
    if ready is not None:
        first, start = ready.first, ready.start
    elif lines < 0:  # a header and nothing else
        start = position
    yield Piece(first, start, position, (position - start) / max(1, stream.most), last=True)


def row_piece(start: int, end: int, count: int) -> Piece:
    """The images ``start`` to ``end - 1`` of ``count``."""
    return Piece(start, start, end, (end - start) / count, last=end == count)


def _solid(chunk: bytes, start: int) -> bool:
    return bool(chunk[max(0, start) :].strip())


def regrouped(arrays: Iterable[NDArray[Any]], rows: int) -> Iterator[NDArray[Any]]:
    """The rows of ``arrays``, (n, F) each, in their order, as arrays of ``rows`` rows; the last may be shorter."""
    waiting: list[NDArray[Any]] = []
    count = 0
    for array in arrays:
        waiting.append(array)
        count += len(array)
        while count >= rows:
            together: NDArray[Any] = np.concatenate(waiting)
            yield together[:rows]
            waiting, count = [together[rows:]], count - rows
    if count:
        yield np.concatenate(waiting)
