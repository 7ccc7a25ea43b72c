"""What the routes stand on: models, workers, and whether requests are answered now."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tenfold.errors import TenfoldError
from tenfold.files import make_directory, write_bytes
from tenfold.service import work
from tenfold.service.bodies import Disconnected, body_of
from tenfold.service.observability import Fault, Metrics
from tenfold.service.pool import Pool
from tenfold.service.settings import Settings
from tenfold.values.names import LONGEST, folder_of_class

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages:
    """The files below ``page/``, by name."""

    def __init__(self) -> None:
        folder = resources.files("tenfold.service") / "page"
        self._files = {
            file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES
        }
        self._tags = {name: f'"{hashlib.sha256(content).hexdigest()[:32]}"' for name, content in self._files.items()}

    def response(self, name: str, headers: Mapping[str, str]) -> Response:
        """The file ``name``, or 304 if the client has it.

        Raises:
            Fault: 404.
        """
        if name not in self._files:
            raise Fault(404, "there is nothing at this address")
        about = {"ETag": self._tags[name], "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        if headers.get("if-none-match") == self._tags[name]:
            return Response(status_code=304, headers=about)
        return Response(self._files[name], media_type=f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8", headers=about)


SHOWN = 20
"""Classes that an error names."""


class Examples:
    """The folder, with a limit: a page must not fill a disk."""

    def __init__(self, folder: Path, class_names: tuple[str, ...], most: int) -> None:
        self.folder = folder
        self.class_names = class_names
        self.most = most
        self._counts = {name: len(list((folder / folder_of_class(name)).glob("*.png"))) for name in class_names}

    def keep(self, image: NDArray[np.uint8], label: str) -> int:
        """Write the grey image (H, W) below the folder of ``label``; the number of its images now.

        The name is a hash of the pixels: the same drawing is kept once. The folder is named after the class, with
        ``%2F`` for
        ``/`` and so on, which reading the folder turns back.

        Raises:
            Fault: 422 not a class, 409 the folder is full.
        """
        if label not in self.class_names:
            names = ", ".join(self.class_names[:SHOWN]) + (" ..." if len(self.class_names) > SHOWN else "")
            raise Fault(422, f"found {label[:LONGEST]!r}, expected one of {names}", field="label")
        if sum(self._counts.values()) >= self.most:
            raise Fault(409, f"{self.most:,} examples are kept, which is the limit", code="full")
        path = self.folder / folder_of_class(label) / f"{hashlib.sha256(image.tobytes()).hexdigest()[:32]}.png"
        if not path.exists():
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG")
            make_directory(path.parent)
            write_bytes(path, content.getbuffer())
            self._counts[label] += 1
        return self._counts[label]


PER_CLASS = 20


def sample_row(count: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """``count`` images with their labels, in a random order; none without MNIST."""
    kept = _kept()
    if not kept:
        return []
    return [kept[int(i)] for i in generator.permutation(len(kept))[:count]]


@cache
def _kept() -> list[dict[str, Any]]:
    from tenfold.data.load import load
    from tenfold.data.sources import SOURCES

    if SOURCES.get("mnist").cached_in() is None:  # type: ignore[attr-defined]
        return []
    try:
        data = load("mnist", "test")
    except TenfoldError:
        return []
    assert data.labels is not None
    rows = np.concatenate([np.flatnonzero(data.labels == k)[:PER_CLASS] for k in range(len(data.class_names))])
    return [{"pixels": data.images[row, 0].tolist(), "label": data.class_names[data.labels[row]]} for row in rows]


NOBODY = 499
"""The status, in metrics and log, of a request whose client went away."""


class Service:
    """One running service.

    Attributes:
        draining: set when it was asked to end.
    """

    def __init__(self, settings: Settings, pool: Pool, metrics: Metrics) -> None:
        self.settings = settings
        self.draining = False
        self._pool = pool
        self._metrics = metrics

    @property
    def status(self) -> str:
        """ready, starting or draining."""
        if self.draining:
            return "draining"
        return "ready" if self._pool.ready else "starting"

    @property
    def models(self) -> list[dict[str, Any]]:
        """As /v1/models shows them; empty until the first worker is ready."""
        return self._pool.models

    def metrics_text(self) -> str:
        """For /metrics."""
        self._metrics.ready = self.status == "ready"
        return self._metrics.text()

    def metadata(self, name: str, version: str) -> dict[str, Any]:
        """A model as the Open Inference Protocol describes it.

        Raises:
            Fault: 404 no such model or version, 503 not known yet.
        """
        self._named(name)
        if version != work.VERSION:
            raise Fault(404, f"there is only version {work.VERSION}", field="version")
        found = next((model for model in self.models if model["name"] == name), None)
        if found is None:
            raise Fault(503, "no worker is ready; try again in a moment", headers={"Retry-After": "1"})
        images = {"name": work.INPUT, "datatype": "UINT8", "shape": [-1, *found["image_shape"]]}
        probabilities = {"name": work.OUTPUT, "datatype": "FP32", "shape": [-1, len(found["classes"])]}
        return {
            "name": name,
            "versions": [work.VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [images],
            "outputs": [probabilities],
        }

    async def compute(self, kind: str, request: Request, model: str | None, **fields: Any) -> Response:
        """What a worker answers to ``request``.

        Raises:
            Fault: 404 no such model, 413 too large, 503 not now.
        """
        name = self.settings.default_model if model is None else self._named(model)
        try:
            body = await body_of(request, self.settings.limits.body_bytes)
        except Disconnected:
            return Response(status_code=NOBODY)
        connection = request.scope.get("extensions", {}).get("tenfold.connection")
        header: Mapping[str, Any] = {
            "kind": kind,
            "model": name,
            "content_type": request.headers.get("content-type", ""),
            **fields,
        }
        is_gone = connection.is_closing if connection is not None else _never
        status, answer = await self._pool.submit(header, body, is_gone)
        if status == 503:
            raise Fault(503, "no worker is ready; try again in a moment", headers={"Retry-After": "1"})
        if status != 200 and request.scope["path"].startswith("/v2"):
            answer = work.error_of(answer)
        return Response(answer, status, media_type="application/json")

    def _named(self, name: str) -> str:
        if name not in self.settings.models:
            raise Fault(404, "there is no model of that name; /v1/models lists them", field="model")
        return name


def _never() -> bool:
    return False


PATH = "/v1/predict"


class ShortWay:
    """ASGI: ``POST /v1/predict`` without a query goes to the service as its route in :mod:`tenfold.service.app` would
    send it.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        scope["route"] = SimpleNamespace(path=PATH)  # as the router notes it, for the metrics
        response = await self.service.compute("predict", Request(scope, receive), None, show=[])
        await response(scope, receive, send)
