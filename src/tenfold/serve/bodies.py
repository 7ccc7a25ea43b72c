"""The bodies of requests -> images. Runs in a worker: whatever a body does here, it does to a worker."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from tenfold.serve import schemas
from tenfold.serve.faults import Fault
from tenfold.serve.multipart import parts_of

IMAGE_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/gif", "image/webp")
JSON_TYPE, FORM_TYPE = "application/json", "multipart/form-data"
DEEPEST = 16


@dataclass(frozen=True)
class Item:
    """One image of a request: a file's bytes, or levels (1, H, W). ``field`` is where it stood."""

    field: str
    file: bytes | None = None
    levels: NDArray[np.uint8] | None = None


def items_of(content_type: str, body: bytes, most: int) -> list[Item]:
    """The images in a body of /v1/predict or /v1/read, at least one.

    Raises:
        Fault: 400 not parsable, 413 more than ``most``, 415 another type, 422 parsable but wrong.
    """
    kind = media_type(content_type)
    if kind in IMAGE_TYPES:
        if not body:
            raise Fault(422, "found an empty body, expected an image file")
        return [Item("", file=body)]
    if kind == FORM_TYPE:
        return _limited([Item(name, file=content) for name, content in parts_of(content_type, body, most)], most)
    if kind != JSON_TYPE:
        raise unsupported(kind, (*IMAGE_TYPES, FORM_TYPE, JSON_TYPE))
    asked = validated(schemas.PredictIn, json_of(body), most)
    if isinstance(asked, schemas.OneImage):
        return [_item("image", asked.image)]
    return [_item(f"images.{i}", image) for i, image in enumerate(asked.images)]


def media_type(content_type: str) -> str:
    """``content_type`` without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def unsupported(kind: str, expected: Sequence[str]) -> Fault:
    """The answer to a content type that is not ``expected``."""
    return Fault(415, f"found the content type {kind[:80]!r}, expected {' or '.join(expected)}", field="Content-Type")


def json_of(body: bytes) -> Any:
    """The JSON document in ``body``: strict UTF-8, no NaN, no duplicate keys, not nested too deep.

    Raises:
        Fault: 400.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(400, f"found a byte at {error.start} that is no UTF-8, expected JSON in UTF-8") from None
    if not text.strip():
        raise Fault(400, "found an empty body, expected JSON")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Fault(400, f"found no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Fault(400, f"found JSON nested too deep, expected at most {DEEPEST} levels") from None
    except ValueError:  # an integer of more than 4300 digits
        raise Fault(400, "found a number that is too long") from None


def validated(kind: Any, document: Any, most: int) -> Any:
    """``document`` as ``kind``, a type of :mod:`~tenfold.serve.schemas`.

    Raises:
        Fault: 422 with the path of the first fault; 413 for more than ``most`` images.
    """
    if isinstance(document, dict) and isinstance(images := document.get("images"), list) and len(images) > most:
        raise too_many(len(images), most)
    try:
        return _adapter(kind).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Fault(422, first["msg"], field=_path(first["loc"])) from None
    except RecursionError:
        raise Fault(422, "found a document nested too deep") from None


def too_many(found: int, most: int) -> Fault:
    """The answer to a batch that is too large."""
    return Fault(413, f"found {found:,} images, expected at most {most}; send them in several requests", field="images")


def decoded(text: str, field: str) -> bytes:
    """The file in a base64 text: standard alphabet, padded, nothing else in it.

    Raises:
        Fault: 422.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        hint = "; leave out the part up to the comma" if text.startswith("data:") else ""
        raise Fault(422, f"found no base64 (standard alphabet, padded, no white space){hint}", field=field) from None


def _item(field: str, image: schemas.EncodedImage | schemas.PixelImage) -> Item:
    if isinstance(image, schemas.EncodedImage):
        return Item(f"{field}.base64", file=decoded(image.base64, f"{field}.base64"))
    rows = image.pixels
    width = len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise Fault(422, f"found a row of {len(row)} levels, expected {width} as in the first", field=f"{field}.pixels.{i}")
    return Item(f"{field}.pixels", levels=np.array(rows, np.uint8)[None])


def _limited(items: list[Item], most: int) -> list[Item]:
    if len(items) > most:
        raise too_many(len(items), most)
    return items


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Fault(400, f"found the key {twice[:40]!r} twice in one object")
    return made


def _no_constant(name: str) -> float:
    raise Fault(400, f"found {name}, which is no JSON")


def _path(loc: Sequence[int | str]) -> str:
    """``images.3.pixels.0.5``: pydantic's location without the names of the alternatives."""
    return ".".join(str(word) for word in loc if not str(word).startswith("<"))
