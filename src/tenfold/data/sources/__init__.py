"""One file per format: from a path, or a data set's name, to a :class:`~tenfold.values.dataset.Dataset`.

A new format is a new file here: ``sources/my_format.py`` with a class ``MyFormat`` that derives from
:class:`Source`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.streams import ByteStream
from tenfold.registry import Registry

if TYPE_CHECKING:
    from tenfold.values.dataset import Dataset


@dataclass(frozen=True)
class Piece:
    """A stretch of a source that can be read without what comes before it, here or on another machine.

    Attributes:
        first: number of its first image in the source, from 0.
        start: where it begins: a byte of a table, an image of an array, a file of a sorted listing.
        end: where it ends, in the same unit; excluded.
        share: about how much of the source it is, 0..1.
        last: whether nothing follows.
    """

    first: int
    start: int
    end: int
    share: float
    last: bool = False


class Block(NamedTuple):
    """Some images in a row, and about how much of the source, or of the piece, has been read with them: 0..1."""

    data: Dataset
    share: float


class Source(ABC):
    """A format. The first docstring line is what ``tenfold data list`` shows.

    Attributes:
        named: the source is a data set known by its name; ``read`` then takes no path.
        version: raise it when ``read`` gives another outcome than before: parsed copies are then made anew.
    """

    named: ClassVar[bool] = False
    version: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` (an existing regular file or folder) looks like this format: by names and first bytes
        only.
        """

    @classmethod
    @abstractmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        """The images of ``role`` in ``path``; ``path`` is None exactly when the source is ``named``.

        Raises:
            DataError: the content is not what it should be.
            ResourceError: the operating system refused.
        """

    @classmethod
    def blocks(
        cls, path: Path | None, role: Role, options: ReadOptions, rows: int, piece: Piece | None = None
    ) -> Iterator[Block]:
        """What ``read`` returns, ``rows`` images at a time (the last block may be shorter); formats that can, read no
        further.

        Whatever ``read`` refuses is refused here too, at the latest when all has been read. The blocks' ids and
        labels are those of the whole; their ``origin`` is empty, because it is not known before the end.

        Args:
            path: as for ``read``.
            role: as for ``read``.
            options: as for ``read``.
            rows: images a block.
            piece: one of :meth:`pieces`; None is everything.
        """
        data = cls.read(path, role, options)
        for start in range(0, len(data), rows):
            yield Block(data.between(start, start + rows), min(1.0, (start + rows) / len(data)))

    @classmethod
    def pieces(cls, path: Path | None, role: Role, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
        """Stretches of ``rows`` images (the last may be shorter) that together are the source; one None if it has
        none.
        """
        yield None

    @classmethod
    def inputs(cls, path: Path, role: Role) -> Sequence[Path]:
        """The files whose bytes decide what ``read`` returns, where a parsed copy is worth keeping; else empty."""
        return ()


SOURCES: Registry[type[Source]] = Registry(__name__, "source")


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
