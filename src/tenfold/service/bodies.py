"""The bodies of requests -> images. Runs in a worker: whatever a body does here, it does to a worker."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from tenfold.data.images import ImageLimits, decode_image, image_size, recognise_format
from tenfold.errors import DataError
from tenfold.service import schemas
from tenfold.service.observability import Fault

LONGEST_BOUNDARY = 70
"""RFC 2046, 5.1.1."""


def parts_of(content_type: str, body: bytes, most: int) -> list[tuple[str, bytes]]:
    """(where, content) of the files in a form with one field ``image``, or some named ``images``.

    Raises:
        Fault: 400 a form that cannot be parsed or is cut off, 413 too many parts, 422 other fields.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise Fault(
            400,
            f"found a boundary of {len(boundary):,} characters, expected 1 to {LONGEST_BOUNDARY}",
            field="Content-Type",
        )
    form = _Form(most)
    parser = MultipartParser(boundary, form.callbacks())
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError:  # also for a part of more than 8 headers, or one of more than 4 kB
        raise Fault(400, "found a form that cannot be parsed") from None
    if not form.ended:
        raise Fault(400, "found a form without its end: it was cut off")
    return _checked(form.files)


def _checked(files: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    names = [name for name, _ in files]
    if not files:
        raise Fault(400, "found no file, expected a field image, or several named images")
    if other := next((name for name in names if name not in ("image", "images")), None):
        raise Fault(422, "found an unknown field, expected image or images", field=other)
    if "image" in names and len(files) > 1:
        raise Fault(400, f"found {len(files)} files, expected one named image, or all named images")
    if names == ["image"]:
        return files
    return [(f"images.{i}", content) for i, (_, content) in enumerate(files)]


class _Form:
    """What the parser tells, gathered; it limits the headers of a part itself."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.files: list[tuple[str, bytes]] = []
        self.ended = False
        self._header = {b"name": b"", b"value": b""}
        self._disposition = b""
        self._content: list[bytes] = []

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": partial(self._text, b"name"),
            "on_header_value": partial(self._text, b"value"),
            "on_header_end": self._end_of_header,
            "on_part_data": lambda data, start, end: self._content.append(data[start:end]),
            "on_part_end": self._part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.files) >= self.most:
            raise Fault(413, f"found more than {self.most} parts", field="images")
        self._disposition, self._content = b"", []

    def _text(self, which: bytes, data: bytes, start: int, end: int) -> None:
        self._header[which] += data[start:end]

    def _end_of_header(self) -> None:
        if self._header[b"name"].lower() == b"content-disposition":
            self._disposition = self._header[b"value"]
        self._header = {b"name": b"", b"value": b""}

    def _part(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name", b"").decode("utf-8", "replace")
        self.files.append((name, b"".join(self._content)))

    def _end(self) -> None:
        self.ended = True


LIMITS = ImageLimits(formats=("PNG", "JPEG", "BMP", "GIF", "WEBP"), background=None, strict_png=True)
MOST_PIXELS = LIMITS.width * LIMITS.height
"""Of all images of a request together: a small file can hold many pixels, and a request many files."""
SLOW = {"GIF": 2 << 20, "WEBP": 3 << 20}
"""Pixels of an image in a format that takes several times as long to decode as the others."""


def check_sizes(items: Sequence[Item]) -> None:
    """Read the headers of every file before a pixel of any is decoded.

    Raises:
        Fault: 413 too many pixels, 415 another format, 422 no image.
    """
    pixels = 0
    for item in items:
        if item.file is None:
            continue
        found = recognise_format(item.file)
        if found is not None and found not in LIMITS.formats:
            raise Fault(415, f"found a {found} file, expected {', '.join(LIMITS.formats)}", field=item.field)
        try:
            width, height = image_size(item.file, "the image", LIMITS)
        except DataError as error:
            raise refused(error, item.field) from None
        most = SLOW.get(found or "", MOST_PIXELS)
        if width * height > most:
            raise Fault(
                413,
                f"found {width:,} x {height:,} pixels in a {found} file, expected at most {most:,}; send a"
                " PNG or JPEG file",
                field=item.field,
            )
        pixels += width * height
        if width > LIMITS.width or height > LIMITS.height or pixels > MOST_PIXELS:
            raise Fault(
                413,
                f"found {width:,} x {height:,} pixels, expected at most {LIMITS.width:,} x {LIMITS.height:,}, "
                f"and {MOST_PIXELS:,} in all images together",
                field=item.field,
            )


def decoded(item: Item, channels: int = 1) -> NDArray[np.uint8]:
    """The levels (C, H, W) of an item that passed :func:`check_sizes`.

    Raises:
        Fault: 422 damaged or incomplete.
    """
    if item.levels is not None:
        return item.levels
    assert item.file is not None
    try:
        return decode_image(item.file, "the image", LIMITS, channels=channels)
    except DataError as error:
        raise refused(error, item.field) from None


def refused(error: DataError, field: str) -> Fault:
    """The answer to an image that cannot be read."""
    problem = error.problems[0]
    return Fault(422, f"found {problem.found}, expected {problem.expected}", field=field)


IMAGE_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/gif", "image/webp")
JSON_TYPE, FORM_TYPE = "application/json", "multipart/form-data"
DEEPEST = 16
MOST_NUMBERS, MOST_PARTS = 3_000_000, 200_000
"""Commas, and brackets and colons, in a JSON document: what a parser does with each takes far longer than its byte."""


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
    """``content_type`` without its parameters; ``image/jpg``, which many clients say, is ``image/jpeg``."""
    kind = content_type.partition(";")[0].strip().lower()
    return "image/jpeg" if kind == "image/jpg" else kind


def unsupported(kind: str, expected: Sequence[str]) -> Fault:
    """The answer to a content type that is not ``expected``."""
    return Fault(415, f"found the content type {kind[:80]!r}, expected {' or '.join(expected)}", field="Content-Type")


def json_of(body: bytes) -> Any:
    """The JSON document in ``body``: strict UTF-8, no NaN, no duplicate keys, not nested too deep.

    Raises:
        Fault: 400, or 413 for more values than can be looked at in a second.
    """
    parts = sum(body.count(sign) for sign in (b"[", b"{", b":"))
    if body.count(b",") > MOST_NUMBERS or parts > MOST_PARTS:
        raise Fault(413, f"found JSON of more than {MOST_NUMBERS:,} values or {MOST_PARTS:,} lists and keys")
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
    """``document`` as ``kind``, a type of :mod:`~tenfold.service.schemas`.

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


def from_base64(text: str, field: str) -> bytes:
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
        return Item(f"{field}.base64", file=from_base64(image.base64, f"{field}.base64"))
    rows = image.pixels
    width = len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise Fault(
                422, f"found a row of {len(row)} levels, expected {width} as in the first", field=f"{field}.pixels.{i}"
            )
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
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Fault(400, f"found the key {twice[:40]!r} twice in one object")
    return made


def _no_constant(name: str) -> float:
    raise Fault(400, f"found {name}, which is no JSON")


def _path(loc: Sequence[int | str]) -> str:
    """``images.3.pixels.0.5``: pydantic's location without the names of the alternatives."""
    return ".".join(str(word) for word in loc if not str(word).startswith("<"))
