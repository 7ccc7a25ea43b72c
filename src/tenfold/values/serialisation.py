"""JSON and arrays from files that may be damaged; TOML as recipes need it: reading, writing, changing one key."""

from __future__ import annotations

import json
import math
import tomllib
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


LARGEST_ARRAY = 2 << 30
"""Bytes of one array of a file of predictions: a million rows of 500 classes."""


def npz_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array of numbers or text; its size is compared with what the archive says before memory is taken."""
    import numpy as np
    from numpy.lib import format as npy

    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.file_size > LARGEST_ARRAY:
        raise ValueError(f"{name} is packed in another way than NumPy does, or has more than {LARGEST_ARRAY:,} bytes")
    with archive.open(info) as file:
        version = npy.read_magic(file)
        if version not in headers:
            raise ValueError(f"{name} is written in version {version} of NumPy's format, expected 1 or 2")
        shape, by_column, kind = headers[version](file)
        wanted = math.prod(shape) * kind.itemsize
        if kind.hasobject or len(shape) > 2 or not 0 <= wanted <= info.file_size:
            raise ValueError(f"{name} declares {kind} {shape} in {info.file_size:,} bytes")
        content = file.read(wanted + 1)
    if len(content) != wanted:
        raise ValueError(f"{name} has {len(content):,} bytes of {wanted:,}")
    return np.frombuffer(content, kind).reshape(shape, order="F" if by_column else "C")


def loads(text: str) -> dict[str, Any]:
    """The table that ``text`` is.

    Raises:
        TOMLDecodeError: it is no TOML, nested too deep, or has a whole number of more than 64 bits.
    """
    try:
        table = tomllib.loads(text)
        _insist_on_small_numbers(table)
    except RecursionError:
        raise tomllib.TOMLDecodeError("nested too deep") from None
    except ValueError as error:
        if isinstance(error, tomllib.TOMLDecodeError):
            raise
        raise tomllib.TOMLDecodeError(str(error).partition(";")[0]) from None
    return table


def _insist_on_small_numbers(table: dict[str, Any]) -> None:
    left: list[Any] = [table]  # no recursion: a table may be nested deeper than Python calls
    while left:
        value = left.pop()
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise tomllib.TOMLDecodeError(f"found a whole number of {value.bit_length():,} bits, expected at most 64")
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value


def apply(table: dict[str, Any], override: str) -> None:
    """Change ``table`` by one ``--set`` override such as ``train.epochs=3``.

    In a list of tables a number chooses one (``augment.0.rotation=5``); it may be left out where there is only one.

    Raises:
        UsageError: not KEY=VALUE, or the key leads through something that is no table.
    """
    key, equals, value = override.partition("=")
    *path, last = key.strip().split(".")
    if not equals or not all((*path, last)):
        raise UsageError(f"--set {override!r}: expected key=value, for example --set train.epochs=3")
    try:
        parsed = loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        if "whole number" in str(error) or "integer string" in str(error):
            raise UsageError(f"--set {key}=...: {error}") from None
        parsed = value.strip()  # a bare word such as cosine is meant as text
    here: Any = table
    for part, following in pairwise((*path, last)):
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
        if isinstance(here, list):
            here = _one_of(here, following, f"--set {override!r}: {part!r}")
        elif not isinstance(here, dict):
            raise UsageError(f"--set {override!r}: {part!r} is not a table in this recipe")
    if isinstance(here, list):
        raise UsageError(f"--set {override!r}: expected a key of the table, such as {'.'.join(path)}.{last}.kind")
    here[last] = parsed


def _one_of(tables: list[Any], following: str, where: str) -> Any:
    """The list itself where ``following`` is the number of one of its tables, else its only table."""
    if following.isdecimal() and int(following) < len(tables):
        return tables
    if len(tables) != 1 or following.isdecimal() or not isinstance(tables[0], dict):
        numbers = f"0 to {len(tables) - 1}" if tables else "none"
        raise UsageError(f"{where} is a list of {len(tables)} tables; say which by its number: {numbers}")
    return tables[0]


def dumps(table: Mapping[str, Any], prefix: str = "") -> str:
    """The small part of TOML that recipes need; ``None`` is left out."""
    lines, tables = [], []
    for key, value in table.items():
        name = f"{prefix}{_toml_key(key)}"
        if value is None:
            continue
        if isinstance(value, Mapping):
            tables.append(f"\n[{name}]\n{dumps(value, name + '.')}")
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            tables.extend(f"\n[[{name}]]\n{dumps(v, name + '.')}" for v in value)
        else:
            lines.append(f"{_toml_key(key)} = {_toml_value(value)}\n")
    return "".join(lines + tables)


def _toml_key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace(
            "\x7f", "\\u007f"
        )  # the one character only JSON takes bare
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    return repr(value)
