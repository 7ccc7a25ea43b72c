"""A request's body -> the images to compute, and from their probabilities the answer. Runs in a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.serve import bodies, images, infer, samples, schemas
from tenfold.serve.examples import Examples
from tenfold.serve.faults import Fault
from tenfold.serve.models import Model
from tenfold.serve.saliency import occlusion

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
            raise Fault(413, f"found {len(items)} images, expected at most {MOST_SALIENT} with show=saliency", field="show")
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
            return {"model": model.name, "images": [model.page(item) for item in items]}

        return Work(finish)

    def infer(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v2/models/NAME/infer."""
        model = self.models[job["model"]]
        identity, inputs = infer.tensor_of(job["content_type"], body, model.bundle.image_shape, self.most_images)
        return Work(lambda probabilities: infer.answer(model.name, identity, probabilities), model, inputs)

    def keep(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/examples."""
        model = self.models[job["model"]]
        if self.examples is None:
            raise Fault(409, "this service keeps no examples; start it with --keep FOLDER")
        if (kind := bodies.media_type(job["content_type"])) != bodies.JSON_TYPE:
            raise bodies.unsupported(kind, [bodies.JSON_TYPE])
        asked = bodies.validated(schemas.Example, bodies.json_of(body), 1)
        item = bodies.Item("image.base64", file=bodies.decoded(asked.image.base64, "image.base64"))
        levels = model.inputs([item])[0]
        if not levels.any():
            raise Fault(422, "found a blank image, expected some ink", field="image.base64")
        kept = self.examples.keep(levels[0], asked.label)
        return Work(lambda _: {"label": asked.label, "kept": kept})

    def samples(self, job: Mapping[str, Any], body: bytes) -> Work:
        """/v1/samples."""
        return Work(lambda _: {"samples": samples.sample_row(job["count"], self.generator)})

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
            lost = np.zeros(image.shape[1:]) if blank else occlusion(image, best, every_look)
            made["saliency"] = [[round(float(v), 4) for v in row] for row in list(lost)]
        return made


def document(answer: Any) -> bytes:
    """JSON as bytes, without spaces."""
    return json.dumps(answer, separators=(",", ":")).encode()
