"""Open Inference Protocol, version 2: a tensor in, a tensor out.

https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.serve import bodies, schemas
from tenfold.serve.faults import Fault

INPUT, OUTPUT = "images", "probabilities"
VERSION = "1"


def tensor_of(content_type: str, body: bytes, image_shape: tuple[int, int, int], most: int) -> tuple[str, NDArray[np.uint8]]:
    """The request's id, and its tensor uint8 (N, C, H, W).

    Raises:
        Fault: 400, 413, 415 or 422.
    """
    if (kind := bodies.media_type(content_type)) != bodies.JSON_TYPE:
        raise bodies.unsupported(kind, [bodies.JSON_TYPE])
    asked: schemas.InferIn = bodies.validated(schemas.InferIn, bodies.json_of(body), most)
    for i, output in enumerate(asked.outputs):
        if output.name != OUTPUT:
            raise Fault(422, f"found the output {output.name[:40]!r}, expected {OUTPUT!r}", field=f"outputs.{i}.name")
    if len(asked.inputs) != 1 or asked.inputs[0].name != INPUT:
        raise Fault(422, f"found other inputs, expected one named {INPUT!r}", field="inputs")
    tensor = asked.inputs[0]
    if tensor.datatype != "UINT8":
        raise Fault(422, f"found the datatype {tensor.datatype[:40]!r}, expected 'UINT8'", field="inputs.0.datatype")
    count, *rest = tensor.shape
    if tuple(rest) != image_shape or count < 1:
        expected = ", ".join(map(str, image_shape))
        raise Fault(422, f"found the shape {tensor.shape}, expected [N, {expected}] with N from 1", field="inputs.0.shape")
    if count > most:
        raise bodies.too_many(count, most)
    return asked.id, _array(tensor.data, (count, *image_shape))


def answer(model: str, identity: str, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """The document that answers with ``probabilities`` (N, K)."""
    tensor = {
        "name": OUTPUT,
        "datatype": "FP32",
        "shape": list(probabilities.shape),
        "data": [round(p, 7) for p in probabilities.ravel().tolist()],
    }
    return {"model_name": model, "model_version": VERSION, "id": identity, "outputs": [tensor]}


def _array(data: list[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """``data``, flat or nested as ``shape``, as an array."""
    flat = data
    for size in reversed(shape[1:]):  # from (N, C, H, W) inwards, a level of nesting at a time
        if not (flat and isinstance(flat[0], list)):
            break
        flat = _unnested(flat)
        del size
    if len(flat) != int(np.prod(shape)):
        raise Fault(422, f"found {len(flat):,} values, expected {int(np.prod(shape)):,} for the shape", field="inputs.0.data")
    for i, value in enumerate(flat):
        if type(value) is not int or not 0 <= value <= 255:  # a bool is an int, and no level
            raise Fault(422, "found a value that is no whole number of 0..255", field=f"inputs.0.data.{i}")
    return np.array(flat, np.uint8).reshape(shape)


def _unnested(rows: list[Any]) -> list[Any]:
    width = len(rows[0])
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise Fault(422, "found rows of different lengths", field=f"inputs.0.data.{i}")
    return [value for row in rows for value in row]


def error_of(body: bytes) -> bytes:
    """An error as the protocol wants it: ``{"error": "..."}``."""
    found = json.loads(body)["error"]
    where = f"{found['field']}: " if found["field"] else ""
    return json.dumps({"error": where + found["message"]}).encode()
