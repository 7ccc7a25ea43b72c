"""Messages between the process that speaks HTTP and its workers: a JSON header, then bytes as they are.

``>I`` length of the header, the header, the parts it announces under ``"sizes"``, one after another.
Nothing is pickled: a worker that was taken over can send wrong answers, but no code.
"""

from __future__ import annotations

import json
import struct
from asyncio import StreamReader
from collections.abc import Sequence
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")


def pack(header: dict[str, Any], parts: Sequence[bytes | bytearray | memoryview] = ()) -> list[bytes | bytearray | memoryview]:
    """The message as pieces to write."""
    text = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    return [_LENGTH.pack(len(text)), text, *parts]


def read(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """The next message on ``stream``.

    Raises:
        EOFError: the other side is gone.
    """
    header = json.loads(_exactly(stream, _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]))
    return header, [_exactly(stream, size) for size in header.pop("sizes")]


async def read_async(stream: StreamReader) -> tuple[dict[str, Any], list[bytes]]:
    """:func:`read` in an event loop.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    header = json.loads(await stream.readexactly(length))
    return header, [await stream.readexactly(size) for size in header.pop("sizes")]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise EOFError
    return content
