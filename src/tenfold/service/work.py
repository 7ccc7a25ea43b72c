"""A request's body -> the images to compute, and from their probabilities the answer. Runs in a worker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.manifest import DARK
from tenfold.bundle.predict import Bundle
from tenfold.data.images import brought_to
from tenfold.errors import DataError
from tenfold.evaluation.robustness import occlusion
from tenfold.reading.normalise import normalise, reduced
from tenfold.reading.reader import Reader
from tenfold.reading.results import Digit, Line, Mark
from tenfold.service import bodies, examples, schemas
from tenfold.service import bodies as images
from tenfold.service.bodies import Item
from tenfold.service.examples import Examples
from tenfold.service.observability import Fault
from tenfold.service.settings import READABLE, REJECT

T = TypeVar("T")
SIDE = 0.18
"""Of the square, as a share of the image's height."""


def saliency(
    image: NDArray[np.uint8], target: int, predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """(H, W) how much of class ``target``'s probability is lost where squares cover ``image``, uint8 (C, H, W)."""
    _, height, width = image.shape
    side = max(2, round(SIDE * height))
    stride = max(1, side // 2)
    corners = [(y, x) for y in range(1 - stride, height, stride) for x in range(1 - stride, width, stride)]
    squares = [(slice(max(y, 0), y + side), slice(max(x, 0), x + side)) for y, x in corners]
    return occlusion(image, target, predict, squares)


MOST_DIGITS = 400
"""On a page of /v1/read, by its ink: what takes longer belongs on the command line."""
LARGEST_PAGE = 1600
"""Pixels of a side from which on a page of /v1/read is reduced first: the time grows with them, and a photo has more
than its digits need."""
MOST_SECONDS = 1.0
"""Of processor time for the images of a request; looked at after each, so that one image more may pass."""


@dataclass(frozen=True, eq=False)
class Model:
    """One bundle under its name."""

    name: str
    bundle: Bundle

    @property
    def reads(self) -> bool:
        """Whether images of any size can be brought into the form that it takes."""
        return self.bundle.image_shape == READABLE and self.bundle.manifest.pixel_mean < DARK

    @property
    def reject_threshold(self) -> float:
        """The confidence below which an answer says nothing."""
        known = self.bundle.manifest.reject_threshold
        return REJECT if known is None else known

    @cached_property
    def reader(self) -> Reader:
        """Reads pages with this bundle. Only where :attr:`reads`."""
        known = self.bundle.manifest.reject_threshold
        return Reader(self.bundle, threshold=REJECT if known is None else None, most_digits=MOST_DIGITS)

    def page(self, item: Item) -> dict[str, Any]:
        """Digits and marks of an item that passed :func:`~tenfold.service.bodies.check_sizes`, as /v1/read shows them.

        Raises:
            Fault: 422.
        """
        grey = bodies.decoded(item)[0]
        small = reduced(grey, LARGEST_PAGE)
        factor = -(-len(grey) // len(small))
        try:
            found = self.reader.read(small)
        except DataError as error:
            raise bodies.refused(error, item.field) from None
        digits = [_sign(digit, factor) for line in found.lines for digit in line.digits]
        return {"text": found.text, "digits": digits, "marks": list(_marks(found.lines, factor))}

    def inputs(self, items: Sequence[Item]) -> NDArray[np.uint8]:
        """What the model sees of ``items``: uint8 (N, C, H, W).

        Levels are taken as they are; image files are normalised where :attr:`reads`, and must have the
        model's size elsewhere.

        Raises:
            Fault: 413, 415 or 422.
        """
        bodies.check_sizes(items)
        return np.stack(in_time(self._input, items))

    def _input(self, item: Item) -> NDArray[np.uint8]:
        channels, height, width = self.bundle.image_shape
        if item.levels is None and self.reads:
            return normalise(bodies.decoded(item)[0])[None]
        levels = bodies.decoded(item, channels)
        if (how := self.bundle.manifest.resize) is not None:
            levels = brought_to(levels, self.bundle.image_shape, keep_aspect=how == "keep aspect")
        if levels.shape != self.bundle.image_shape:
            found = f"{levels.shape[2]} x {levels.shape[1]} pixels" + (
                "" if levels.shape[0] == channels else " in grey"
            )
            raise Fault(422, f"found {found}, expected {width} x {height} as the model takes them", field=item.field)
        return levels

    def described(self) -> dict[str, Any]:
        """As /v1/models shows it."""
        manifest = self.bundle.manifest
        return {
            "name": self.name,
            "classes": list(self.bundle.class_names),
            "image_shape": list(self.bundle.image_shape),
            "sha256": manifest.model.sha256,
            "trained_on": manifest.trained_on,
            "metrics": {name: estimate.model_dump() for name, estimate in manifest.metrics.items()},
            "reads": self.reads,
        }


def in_time(function: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
    """``function`` of each item, within :data:`MOST_SECONDS` of processor time.

    Raises:
        Fault: 413, that is over and images are left.
    """
    made: list[T] = []
    until = time.process_time() + MOST_SECONDS
    for item in items:
        if time.process_time() > until:
            found = f"found {len(items)} images that take more than {MOST_SECONDS:g} s of processor time together"
            raise Fault(413, f"{found}; send fewer, or smaller ones, in one request", field=item.field)
        made.append(function(item))
    return made


def _sign(sign: Digit | Mark, factor: int) -> dict[str, Any]:
    return {
        "class": sign.label,
        "confidence": round(sign.confidence, 7),
        "rejected": sign.rejected,
        "box": [factor * side for side in sign.box.as_list()],
    }


def _marks(lines: Sequence[Line], factor: int) -> Iterator[dict[str, Any]]:
    """Each with the number of the page's digits before it."""
    before = 0
    for line in lines:
        for mark in line.marks:
            yield {**_sign(mark, factor), "place": before + mark.place}
        before += len(line.digits)


INPUT, OUTPUT = "images", "probabilities"
VERSION = "1"


@dataclass(frozen=True)
class Inference:
    """A request of the Open Inference Protocol.

    Attributes:
        identity: the request's id.
        inputs: levels uint8 (N, C, H, W), or image files.
        binary: whether the answer's tensor shall be bytes behind the JSON instead of numbers in it.
    """

    identity: str
    inputs: NDArray[np.uint8] | list[Item]
    binary: bool


def inference_of(
    content_type: str, header_bytes: int | None, body: bytes, image_shape: tuple[int, int, int], most: int
) -> Inference:
    """What a body of /v2/models/NAME/infer asks: JSON, or with the binary tensor extension JSON and bytes behind it.

    Args:
        content_type: as sent; the protocol's clients often send none.
        header_bytes: ``Inference-Header-Content-Length``, the length of the JSON; None if all of ``body`` is JSON.
        body: what was sent.
        image_shape: (C, H, W) of the model.
        most: images in a request.

    Raises:
        Fault: 400, 413, 415 or 422.
    """
    kind = bodies.media_type(content_type) or bodies.JSON_TYPE
    if kind != bodies.JSON_TYPE and (header_bytes is None or kind != "application/octet-stream"):
        raise bodies.unsupported(kind, [bodies.JSON_TYPE])
    if header_bytes is not None and header_bytes > len(body):
        raise Fault(
            400,
            f"found {len(body):,} bytes, expected at least {header_bytes:,}",
            field="Inference-Header-Content-Length",
        )
    document, rest = (body, b"") if header_bytes is None else (body[:header_bytes], body[header_bytes:])
    asked: schemas.InferIn = bodies.validated(schemas.InferIn, bodies.json_of(document), most)
    binary = asked.parameters.get("binary_data_output") is True
    for i, output in enumerate(asked.outputs):
        if output.name != OUTPUT:
            raise Fault(422, f"found the output {output.name[:40]!r}, expected {OUTPUT!r}", field=f"outputs.{i}.name")
        binary = output.parameters.get("binary_data", binary) is True
    if len(asked.inputs) != 1 or asked.inputs[0].name != INPUT:
        raise Fault(422, f"found other inputs, expected one named {INPUT!r}", field="inputs")
    tensor = asked.inputs[0]
    size = tensor.parameters.get("binary_data_size")
    if (tensor.data is None) != (size is not None) or (size or 0) != len(rest) or isinstance(size, bool):
        found = f"{len(rest):,} bytes behind the JSON" if tensor.data is None else "numbers in the JSON"
        raise Fault(422, f"found {found}, expected data, or as many bytes as binary_data_size says", field="inputs.0")
    count, *dimensions = tensor.shape
    if tensor.datatype == "BYTES":
        if dimensions not in ([], [1]) or count < 1:
            raise Fault(422, f"found the shape {tensor.shape}, expected [N] with N from 1", field="inputs.0.shape")
        if count > most:
            raise bodies.too_many(count, most)
        files = _files(rest) if tensor.data is None else [_file(i, text) for i, text in enumerate(tensor.data)]
        if len(files) != count:
            raise Fault(422, f"found {len(files)} files, expected {count} for the shape", field="inputs.0.data")
        return Inference(asked.id, [Item(f"inputs.0.data.{i}", file=file) for i, file in enumerate(files)], binary)
    if tensor.datatype != "UINT8":
        expected = "'UINT8', or 'BYTES' for image files"
        raise Fault(422, f"found the datatype {tensor.datatype[:40]!r}, expected {expected}", field="inputs.0.datatype")
    if tuple(dimensions) != image_shape or count < 1:
        expected = ", ".join(map(str, image_shape))
        raise Fault(
            422, f"found the shape {tensor.shape}, expected [N, {expected}] with N from 1", field="inputs.0.shape"
        )
    if count > most:
        raise bodies.too_many(count, most)
    shape = (count, *image_shape)
    if tensor.data is not None:
        return Inference(asked.id, _array(tensor.data, shape), binary)
    if len(rest) != int(np.prod(shape)):
        raise Fault(422, f"found {len(rest):,} bytes, expected {int(np.prod(shape)):,} for the shape", field="inputs.0")
    return Inference(asked.id, np.frombuffer(rest, np.uint8).reshape(shape), binary)


def _file(place: int, text: Any) -> bytes:
    if not isinstance(text, str):
        raise Fault(422, "found no text, expected a file in base64", field=f"inputs.0.data.{place}")
    return bodies.from_base64(text, f"inputs.0.data.{place}")


def _files(packed: bytes) -> list[bytes]:
    """Byte strings, each behind its length in four bytes, little-endian."""
    found, place = [], 0
    while place < len(packed):
        end = place + 4 + int.from_bytes(packed[place : place + 4], "little")
        if end > len(packed) or place + 4 > len(packed):
            raise Fault(422, "found bytes that end within an element", field="inputs.0")
        found.append(packed[place + 4 : end])
        place = end
    return found


def answer(model: str, asked: Inference, probabilities: NDArray[np.float32]) -> dict[str, Any] | bytes:
    """The document that answers with ``probabilities`` (N, K); as bytes, :func:`packed`, if the client wants those."""
    tensor: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": list(probabilities.shape)}
    made = {"model_name": model, "model_version": VERSION, "id": asked.identity, "outputs": [tensor]}
    if not asked.binary:
        tensor["data"] = [round(p, 7) for p in probabilities.ravel().tolist()]
        return made
    content = probabilities.astype("<f4").tobytes()
    tensor["parameters"] = {"binary_data_size": len(content)}
    return packed(document(made), content)


def packed(head: bytes, content: bytes) -> bytes:
    """JSON and what stands behind it, led by the JSON's length; the first byte, 0, tells it from plain JSON."""
    return len(head).to_bytes(4, "big") + head + content


def unpacked(answered: bytes) -> tuple[int | None, bytes]:
    """The length of the JSON that leads an answer, None if all of it is JSON, and the answer as clients get it."""
    if answered[:1] != b"\0":
        return None, answered
    return int.from_bytes(answered[:4], "big"), answered[4:]


def _array(data: list[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """``data``, flat or nested as ``shape``, as an array."""
    flat = data
    for size in reversed(shape[1:]):  # from (N, C, H, W) inwards, a level of nesting at a time
        if not (flat and isinstance(flat[0], list)):
            break
        flat = _unnested(flat)
        del size
    if len(flat) != int(np.prod(shape)):
        raise Fault(
            422, f"found {len(flat):,} values, expected {int(np.prod(shape)):,} for the shape", field="inputs.0.data"
        )
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


DIGITS = 7
"""Decimal places of a probability in an answer."""
MOST_SALIENT = 8
"""Images in a request with show=saliency: each costs a hundred."""


@dataclass(frozen=True)
class Work:
    """What is left of a request once its body was parsed.

    Attributes:
        model: which computes ``images``; None if there is nothing to compute.
        images: uint8 (N, C, H, W).
        finish: probabilities (N, K) -> the JSON document of the answer.
    """

    finish: Callable[[NDArray[np.float32]], Any]
    model: Model | None = None
    images: NDArray[np.uint8] | None = None


class Workshop:
    """Everything a worker holds; :attr:`kinds` are the requests that it knows."""

    def __init__(self, models: Mapping[str, Model], most_images: int, examples: Examples | None) -> None:
        self.models = models
        self.most_images = most_images
        self.examples = examples
        self.generator = np.random.default_rng()
        self.kinds: dict[str, Callable[[Mapping[str, Any], bytes], Work]] = {
            "predict": self.predict,
            "read": self.read,
            "infer": self.infer,
            "keep": self.keep,
            "samples": self.samples,
        }

    def predict(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/predict: one digit in each image."""
        model = self.models[job["model"]]
        show = job["show"]
        items = bodies.items_of(job["content_type"], body, self.most_images)
        if "saliency" in show and len(items) > MOST_SALIENT:
            raise Fault(
                413, f"found {len(items)} images, expected at most {MOST_SALIENT} with show=saliency", field="show"
            )
        inputs = model.inputs(items)

        def finish(probabilities: NDArray[np.float32]) -> Any:
            answers = [self._prediction(model, *pair, show) for pair in zip(inputs, probabilities, strict=True)]
            return {"model": model.name, "predictions": answers}

        return Work(finish, model, inputs)

    def read(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/read: any number of digits in each image."""
        model = self.models[job["model"]]
        if not model.reads:
            raise Fault(422, "this model takes images of its own size only: use /v1/predict", field="model")
        items = bodies.items_of(job["content_type"], body, self.most_images)
        images.check_sizes(items)

        def finish(_: NDArray[np.float32]) -> Any:
            return {"model": model.name, "images": in_time(model.page, items)}

        return Work(finish)

    def infer(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v2/models/NAME/infer."""
        model = self.models[job["model"]]
        shape = model.bundle.image_shape
        asked = inference_of(job["content_type"], job["header_bytes"], body, shape, self.most_images)
        inputs = model.inputs(asked.inputs) if isinstance(asked.inputs, list) else asked.inputs
        return Work(lambda probabilities: answer(model.name, asked, probabilities), model, inputs)

    def keep(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/examples."""
        model = self.models[job["model"]]
        if self.examples is None:
            raise Fault(409, "this service keeps no examples; start it with --keep FOLDER")
        if (kind := bodies.media_type(job["content_type"])) != bodies.JSON_TYPE:
            raise bodies.unsupported(kind, [bodies.JSON_TYPE])
        asked = bodies.validated(schemas.Example, bodies.json_of(body), 1)
        item = bodies.Item("image.base64", file=bodies.from_base64(asked.image.base64, "image.base64"))
        levels = model.inputs([item])[0]
        if not levels.any():
            raise Fault(422, "found a blank image, expected some ink", field="image.base64")
        kept = self.examples.keep(levels[0], asked.label)
        return Work(lambda _: {"label": asked.label, "kept": kept})

    def samples(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/samples."""
        return Work(lambda _: {"samples": examples.sample_row(job["count"], self.generator)})

    def _prediction(
        self, model: Model, image: NDArray[np.uint8], probabilities: NDArray[np.float32], show: list[str]
    ) -> dict[str, Any]:
        names = model.bundle.class_names
        blank = not image.any()
        best = int(probabilities.argmax())
        values = [round(p, DIGITS) for p in probabilities.tolist()]
        made: dict[str, Any] = {
            "class": None if blank else names[best],
            "confidence": 0.0 if blank else values[best],
            "blank": blank,
            "rejected": not blank and values[best] < model.reject_threshold,
            "probabilities": {} if blank else dict(zip(names, values, strict=True)),
        }
        if "input" in show:
            made["input"] = image[0].tolist() if len(image) == 1 else None
        if "saliency" in show:
            every_look = partial(model.bundle.predict_proba, every_look=True)
            lost = np.zeros(image.shape[1:]) if blank else saliency(image, best, every_look)
            made["saliency"] = [[round(float(v), 4) for v in row] for row in list(lost)]
        return made


def document(answer: Any) -> bytes:
    """JSON as bytes, without spaces; bytes stay as they are.

    Raises:
        ValueError: a number that JSON does not have.
    """
    return answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
