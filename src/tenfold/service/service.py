"""What the routes stand on: models, workers, and whether requests are answered now."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping
from importlib import resources
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tenfold.service import work
from tenfold.service.guard import STATE
from tenfold.service.observability import GONE, Fault, Metrics
from tenfold.service.pool import Pool
from tenfold.service.settings import Settings

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
        self._keeping = asyncio.Lock()
        self._answered = dict.fromkeys(settings.models, (0, 0))  # requests, nanoseconds

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

    def config(self, name: str, version: str) -> dict[str, Any]:
        """A model's configuration as Triton's clients read it. Raises as :meth:`metadata` does."""
        about = self.metadata(name, version)
        tensors = {
            kind: [
                {"name": t["name"], "data_type": f"TYPE_{t['datatype']}", "dims": t["shape"][1:]}
                for t in about[f"{kind}s"]
            ]
            for kind in ("input", "output")
        }
        most = self.settings.limits.images
        return {"name": name, "platform": about["platform"], "max_batch_size": most, **tensors}

    def statistics(self, name: str, version: str) -> dict[str, Any]:
        """How many requests a model answered. Raises as :meth:`metadata` does."""
        self.metadata(name, version)
        count, duration = self._answered[name]
        success = {"success": {"count": count, "ns": duration}}
        return {
            "model_stats": [{"name": name, "version": version, "inference_count": count, "inference_stats": success}]
        }

    def repository(self) -> list[dict[str, str]]:
        """Every model with its state, as the protocol's repository index has it."""
        state = "READY" if self.status == "ready" else "UNAVAILABLE"
        return [{"name": name, "version": work.VERSION, "state": state, "reason": ""} for name in self.settings.models]

    async def compute(self, kind: str, request: Request, model: str | None, **fields: Any) -> Response:
        """What a worker answers to ``request``.

        Raises:
            Fault: 404 no such model, 499 the client went away before its turn, 503 not now.
        """
        name = self.settings.default_model if model is None else self._named(model)
        header: Mapping[str, Any] = {
            "kind": kind,
            "model": name,
            "content_type": request.headers.get("content-type", ""),
            **fields,
        }
        if kind == "infer":
            header = {**header, "header_bytes": _header_bytes(request.headers.get("inference-header-content-length"))}
        state, began = request.scope["state"], time.monotonic_ns()
        async with self._keeping if kind == "keep" else contextlib.nullcontext():  # its limit is counted, then written
            status, answer = await self._pool.submit(header, state["body"], lambda: state[STATE].is_gone)
        if status == GONE:
            raise Fault(GONE, "the client left")
        if status == 200:
            count, duration = self._answered[name]
            self._answered[name] = count + 1, duration + time.monotonic_ns() - began
        if status == 503:
            raise Fault(503, "no worker is ready; try again in a moment", headers={"Retry-After": "1"})
        if status != 200 and request.scope["path"].startswith("/v2"):
            answer = work.error_of(answer)
        length, answer = work.unpacked(answer)
        if length is None:
            return Response(answer, status, media_type="application/json")
        about = {"Inference-Header-Content-Length": str(length)}
        return Response(answer, status, about, media_type="application/octet-stream")

    def _named(self, name: str) -> str:
        if name not in self.settings.models:
            raise Fault(404, "there is no model of that name; /v1/models lists them", field="model")
        return name


def _header_bytes(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Fault(400, f"found {text[:40]!r}, expected a number", field="Inference-Header-Content-Length")
    return int(text)


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
