"""JSON from files that may have been damaged. A module of its own, because predicting needs this and not recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenfold.errors import IntegrityError

LARGEST_JSON = 64 << 20


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file that may have been damaged.

    Raises:
        IntegrityError: missing, larger than 64 MiB, nested too deep, or not a JSON object.
    """
    return json_object(read_text(path), str(path))


def read_text(path: Path) -> str:
    """A text file's content.

    Raises:
        IntegrityError: missing, larger than 64 MiB, or not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise IntegrityError(f"{path}: found {path.stat().st_size:,} bytes, expected at most {LARGEST_JSON:,}")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path} is not readable JSON: {error}") from error


def json_object(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object that ``text`` is; ``where`` it was found is for the message.

    Raises:
        IntegrityError: it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{where}: found a JSON {type(value).__name__}, expected an object")
    return value
