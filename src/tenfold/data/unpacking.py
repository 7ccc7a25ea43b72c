"""Compressed bytes, unpacked in pieces of bounded size and to a bounded amount, whatever the method."""

from __future__ import annotations

import bz2
import lzma
import os
import zipfile
import zlib
from typing import IO, Any, Protocol

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What the libraries raise about data that does not unpack."""
LARGEST_RATIO = 256
"""More bytes than this must not come out of one: tables of digits shrink 5 to 30 times, and unpacking takes time."""
UNPACKED_FREELY = 64 * 1024**2
"""Up to here the ratio does not count: small files of blank images shrink a lot."""
_STEP = 1 << 18


class Readable(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty only at the end."""


def most_of(packed: int) -> int:
    """The most bytes that may come out of ``packed`` compressed ones."""
    return max(UNPACKED_FREELY, LARGEST_RATIO * packed)


class _Unpacked:
    """What comes out of compressed bytes, a bounded piece at a time, whatever the method.

    ``zlib`` keeps what it has not read in ``unconsumed_tail``; ``bz2`` and ``lzma`` keep it inside and say whether
    they need more.
    """

    def __init__(self, packed: int) -> None:
        self._allowed = most_of(packed)
        self._decoder: Any = None
        self._waiting = b""

    def _more(self) -> bytes:
        """The next compressed bytes; empty at the end."""
        raise NotImplementedError

    def _decoded(self, size: int) -> bytes:
        """At most ``size`` bytes of the current decoder; empty once it has come to its end."""
        while not self._decoder.eof:
            starved = getattr(self._decoder, "needs_input", True) and not self._waiting
            if starved:
                self._waiting = self._more()
            content: bytes = self._decoder.decompress(self._waiting, size)
            ended = starved and not self._waiting
            self._waiting = self._decoder.unused_data or getattr(self._decoder, "unconsumed_tail", b"")
            if content:
                self._allowed -= len(content)
                if self._allowed < 0:
                    raise zlib.error(f"more than {LARGEST_RATIO} times its size comes out of it")
                return content
            if ended:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        return b""


class Gunzip(_Unpacked):
    """One or more gzip members; zeros behind them are padding."""

    def __init__(self, source: Readable, packed: int) -> None:
        super().__init__(packed)
        self._source = source

    def _more(self) -> bytes:
        return self._source.read(_STEP)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder is not None and (content := self._decoded(size)):
                return content
            padding = self._decoder is not None
            while not (left := self._waiting.lstrip(b"\0") if padding else self._waiting):
                if not (more := self._more()):
                    return b""
                self._waiting = more
            self._waiting = left + (self._more() if len(left) == 1 else b"")
            if not self._waiting.startswith(GZIP):
                raise zlib.error(f"not a gzipped file ({self._waiting[:2]!r})")
            self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)


class Member(_Unpacked):
    """One member of a zip archive: stored, deflate, bzip2 or LZMA; its size and checksum are verified."""

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        super().__init__(info.compress_size)
        self.size, self.packed = info.file_size, info.compress_size
        self._file, self._crc_wanted, self._crc, self._count = file, info.CRC, 0, 0
        file.seek(info.header_offset)
        header = file.read(30)
        if len(header) < 30 or not header.startswith(ZIP):
            raise zipfile.BadZipFile("no member where the directory says")
        if (info.flag_bits | int.from_bytes(header[6:8], "little")) & 1:
            raise zipfile.BadZipFile("it is encrypted")
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
        self._place, self._left = file.tell(), info.compress_size
        method = info.compress_type
        if method == zipfile.ZIP_DEFLATED:
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        elif method == zipfile.ZIP_BZIP2:
            self._decoder = bz2.BZ2Decompressor()
        elif method == zipfile.ZIP_LZMA:
            head = self._take(4)
            properties = self._take(int.from_bytes(head[2:4], "little"))
            if len(properties) != 5:
                raise zipfile.BadZipFile("damaged LZMA properties")
            pb, rest = divmod(properties[0], 45)
            dictionary = int.from_bytes(properties[1:], "little")
            if dictionary > UNPACKED_FREELY:
                raise zipfile.BadZipFile("an LZMA dictionary of more than 64 MB")
            lzma1 = {"id": lzma.FILTER_LZMA1, "pb": pb, "lp": rest // 9, "lc": rest % 9, "dict_size": dictionary}
            try:
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[lzma1])
            except ValueError as error:
                raise zipfile.BadZipFile("damaged LZMA properties") from error
        elif method != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"compression method {method} is not one of stored, deflate, bzip2, LZMA")

    def _take(self, size: int) -> bytes:
        self._file.seek(self._place)
        content = self._file.read(min(size, self._left))
        self._place += len(content)
        self._left -= len(content)
        return content

    def _more(self) -> bytes:
        return self._take(_STEP)

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self.size - self._count + 1)  # one more than promised is a fault
        if self._decoder is None:
            content = self._take(wanted)
        elif self._count == self.size and isinstance(self._decoder, lzma.LZMADecompressor):
            content = b""  # such data may have no end marker
        else:
            content = self._decoded(wanted)
        self._count += len(content)
        self._crc = zlib.crc32(content, self._crc)
        if self._count > self.size or (not content and (self._count, self._crc) != (self.size, self._crc_wanted)):
            raise zipfile.BadZipFile("bad size or checksum (CRC-32) of a member")
        return content
