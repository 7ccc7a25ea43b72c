"""``multipart/form-data`` -> files, with nothing written to disk and a form that ends where it should."""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from tenfold.serve.faults import Fault

LONGEST_BOUNDARY = 70
"""RFC 2046, 5.1.1."""
HEADER_BYTES = 8192
"""In one part."""


def parts_of(content_type: str, body: bytes, most: int) -> list[tuple[str, bytes]]:
    """(where, content) of the files in a form with one field ``image``, or some named ``images``.

    Raises:
        Fault: 400 a form that cannot be parsed or is cut off, 413 too many parts, 422 other fields.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise Fault(
            400, f"found a boundary of {len(boundary):,} characters, expected 1 to {LONGEST_BOUNDARY}", field="Content-Type"
        )
    form = _Form(most)
    parser = MultipartParser(boundary, form.callbacks())
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError:
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
    """What the parser tells, gathered."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.files: list[tuple[str, bytes]] = []
        self.ended = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._name = b""
        self._value = b""
        self._content: list[bytes] = []

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._text,
            "on_header_end": self._header,
            "on_part_data": self._data,
            "on_part_end": self._part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.files) >= self.most:
            raise Fault(413, f"found more than {self.most} parts", field="images")
        self._headers, self._content = [], []

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._bounded()

    def _text(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bounded()

    def _bounded(self) -> None:
        if len(self._name) + len(self._value) > HEADER_BYTES or len(self._headers) > 16:
            raise Fault(400, "found a part with headers that are too long")

    def _header(self) -> None:
        self._headers.append((self._name.lower(), self._value))
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _part(self) -> None:
        disposition = next((value for name, value in self._headers if name == b"content-disposition"), b"")
        _, options = parse_options_header(disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.files.append((name, b"".join(self._content)))

    def _end(self) -> None:
        self.ended = True
