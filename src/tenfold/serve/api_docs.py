"""What ``/openapi.json`` says beyond what FastAPI finds out: bodies, and every error code."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from tenfold.serve import schemas
from tenfold.serve.bodies import FORM_TYPE, IMAGE_TYPES, JSON_TYPE

Responses = dict[int | str, dict[str, Any]]

_MEANING = {
    400: "Not HTTP, not JSON or not a form as it should be; no valid Host.",
    401: "The service has a token, and this request has not.",
    403: "Sent by a page of another site.",
    404: "No such model, or no such address.",
    405: "Not with this method; Allow says with which.",
    408: "The request took too long to arrive.",
    409: "Not with how this service was started.",
    413: "Too many bytes, pixels or images.",
    414: "The address is too long.",
    415: "Another content type, content encoding or image format.",
    421: "The service does not go by the name in Host.",
    422: "Understood, but wrong; field says where.",
    429: "Too many requests from this address; Retry-After says how long to wait.",
    431: "The headers are too long or too many.",
    500: "A fault of ours.",
    503: "Not ready, or too many requests wait; Retry-After says how long to wait.",
    504: "Waited or computed too long.",
}
_ALWAYS = (400, 401, 403, 404, 405, 408, 413, 414, 415, 421, 422, 429, 431, 500)
_COMPUTED = (*_ALWAYS, 503, 504)
_SHARED = "#/components/schemas/"
_BINARY = {"type": "string", "format": "binary"}


def errors(*, computed: bool = False, infer: bool = False, more: tuple[int, ...] = ()) -> Responses:
    """Every answer that a route can give beside 200.

    Args:
        computed: whether a worker is asked.
        infer: whether errors look as the Open Inference Protocol wants them.
        more: further statuses.
    """
    model = schemas.InferErrorOut if infer else schemas.ErrorOut
    statuses = sorted({*(_COMPUTED if computed else _ALWAYS), *more})
    return {status: {"model": model, "description": _MEANING[status]} for status in statuses}


def images_body() -> dict[str, Any]:
    """The body of /v1/predict and /v1/read."""
    form = {
        "oneOf": [
            {"type": "object", "properties": {"image": _BINARY}, "required": ["image"], "additionalProperties": False},
            {
                "type": "object",
                "properties": {"images": {"type": "array", "items": _BINARY, "minItems": 1}},
                "required": ["images"],
                "additionalProperties": False,
            },
        ]
    }
    content: dict[str, Any] = {JSON_TYPE: {"schema": _schema(schemas.PredictIn)}, FORM_TYPE: {"schema": form}}
    content |= {kind: {"schema": _BINARY} for kind in IMAGE_TYPES}
    return {"requestBody": {"required": True, "content": content}}


def json_body(kind: Any) -> dict[str, Any]:
    """A JSON body of the type ``kind``."""
    return {"requestBody": {"required": True, "content": {JSON_TYPE: {"schema": _schema(kind)}}}}


def add_definitions(document: dict[str, Any]) -> None:
    """Add the types that the bodies above refer to."""
    definitions = document["components"]["schemas"]
    kinds: tuple[Any, ...] = (schemas.PredictIn, schemas.Example, schemas.InferIn)
    for kind in kinds:
        definitions |= TypeAdapter(kind).json_schema(ref_template=_SHARED + "{model}").get("$defs", {})


def _schema(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = TypeAdapter(kind).json_schema(ref_template=_SHARED + "{model}")
    schema.pop("$defs", None)
    return schema
