"""What is asked most, past the router: for it, FastAPI's routing and validation take a third of HTTP's time."""

from __future__ import annotations

from types import SimpleNamespace

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tenfold.serve.service import Service

PATH = "/v1/predict"


class ShortWay:
    """ASGI: ``POST /v1/predict`` without a query goes to the service as its route in :mod:`tenfold.serve.app` would send it."""

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
