"""What the routes stand on: models, workers, and whether requests are answered now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tenfold.serve import infer
from tenfold.serve.faults import Fault
from tenfold.serve.metrics import Metrics
from tenfold.serve.pool import Pool
from tenfold.serve.receiving import Disconnected, body_of
from tenfold.serve.settings import Settings

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
        if version != infer.VERSION:
            raise Fault(404, f"there is only version {infer.VERSION}", field="version")
        found = next((model for model in self.models if model["name"] == name), None)
        if found is None:
            raise Fault(503, "no worker is ready; try again in a moment", headers={"Retry-After": "1"})
        images = {"name": infer.INPUT, "datatype": "UINT8", "shape": [-1, *found["image_shape"]]}
        probabilities = {"name": infer.OUTPUT, "datatype": "FP32", "shape": [-1, len(found["classes"])]}
        return {
            "name": name,
            "versions": [infer.VERSION],
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
            answer = infer.error_of(answer)
        return Response(answer, status, media_type="application/json")

    def _named(self, name: str) -> str:
        if name not in self.settings.models:
            raise Fault(404, "there is no model of that name; /v1/models lists them", field="model")
        return name


def _never() -> bool:
    return False
