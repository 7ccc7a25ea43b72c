"""The routes, and nothing else: each names what a worker shall do, or answers from what is at hand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tenfold import __version__
from tenfold.service import schemas, work
from tenfold.service.bodies import FORM_TYPE, IMAGE_TYPES, JSON_TYPE
from tenfold.service.observability import CONTENT_TYPE, Fault
from tenfold.service.service import Pages, Service
from tenfold.service.work import document

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
    507: "What was to be kept could not be written.",
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


Name = Annotated[str, Path(description="a model's name, see /v1/models")]
Chosen = Annotated[str | None, Query(description="a model's name; without it the first of /v1/models")]
Show = Annotated[
    list[Literal["input", "saliency"]],
    Query(description="also what the model saw, and where it looked; may be given twice"),
]
EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
IMAGES, EXAMPLE, TENSOR = (images_body(), json_body(schemas.Example), json_body(schemas.InferIn))


def build_app(service: Service, pages: Pages) -> FastAPI:
    """The application on top of a running service."""
    app = FastAPI(
        title="tenfold", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return pages.response("index.html", request.headers)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str, request: Request) -> Response:
        return pages.response(name, request.headers)

    @app.post("/v1/predict", responses=_answers(schemas.PredictOut, computed=True), openapi_extra=IMAGES)
    async def predict(request: Request, model: Chosen = None, show: Show = []) -> Response:  # noqa: B006 - FastAPI copies it
        """What each image shows: one digit in each."""
        return await service.compute("predict", request, model, show=show)

    @app.post("/v1/read", responses=_answers(schemas.ReadOut, computed=True), openapi_extra=IMAGES)
    async def read(request: Request, model: Chosen = None) -> Response:
        """Every digit on each image, with its box, in reading order."""
        return await service.compute("read", request, model)

    @app.post(
        "/v1/examples", responses=_answers(schemas.KeptOut, computed=True, more=(409, 507)), openapi_extra=EXAMPLE
    )
    async def keep(request: Request, model: Chosen = None) -> Response:
        """Keep an image with the label that a person gave it, where the service was started with --keep."""
        return await service.compute("keep", request, model)

    @app.get("/v1/samples", responses=_answers(schemas.SamplesOut, computed=True))
    async def samples(request: Request, count: Annotated[int, Query(ge=1, le=50)] = 10) -> Response:
        """Some images of MNIST's test part, in a random order."""
        return await service.compute("samples", request, None, count=count)

    @app.get("/v1/models", responses=_answers(schemas.ModelsOut))
    async def models() -> Response:
        """What is served, and how good it is."""
        return _json({"models": service.models, "keeps_examples": service.settings.keep is not None})

    @app.get("/healthz", responses=_answers(schemas.HealthOut))
    async def healthz() -> Response:
        """Whether the process lives."""
        return _json({"status": "live"})

    @app.get("/readyz", responses=_answers(schemas.HealthOut, unready=schemas.HealthOut))
    async def readyz() -> Response:
        """Whether requests are answered now."""
        return _json({"status": service.status}, 200 if service.status == "ready" else 503)

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **errors()}, response_class=Response)
    async def metrics() -> Response:
        """Counters, for Prometheus."""
        return Response(service.metrics_text(), media_type=CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return _json(app.openapi())

    @app.get("/v2", responses=_answers(schemas.ServerOut, infer=True))
    async def server() -> Response:
        """Open Inference Protocol: what this is."""
        return _json({"name": "tenfold", "version": __version__, "extensions": EXTENSIONS})

    @app.post("/v2/repository/index", responses=_answers(schemas.RepositoryOut, infer=True))
    async def repository() -> Response:
        """Open Inference Protocol: which models there are."""
        return _json(service.repository())

    @app.get("/v2/health/live", responses=_answers(schemas.LiveOut, infer=True))
    async def live() -> Response:
        """Open Inference Protocol: whether the process lives."""
        return _json({"live": True})

    @app.get("/v2/health/ready", responses=_answers(schemas.ReadyOut, infer=True, unready=schemas.ReadyOut))
    async def ready() -> Response:
        """Open Inference Protocol: whether requests are answered now."""
        return _ready(service.status == "ready")

    # the protocol lets a client name a version or not; a bundle has one
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        _add_model_routes(app, service, prefix)

    _answer_in_our_words(app)
    _document(app)
    return app


def _add_model_routes(app: FastAPI, service: Service, prefix: str) -> None:
    @app.get(prefix, responses=_answers(schemas.ModelMetadata, infer=True))
    async def metadata(name: Name, version: str = work.VERSION) -> Response:
        """Open Inference Protocol: a model's tensors."""
        return _json(service.metadata(name, version))

    @app.get(f"{prefix}/config", responses=_answers(schemas.ModelConfig, infer=True))
    async def config(name: Name, version: str = work.VERSION) -> Response:
        """Open Inference Protocol: a model's configuration, as Triton's clients read it."""
        return _json(service.config(name, version))

    @app.get(f"{prefix}/stats", responses=_answers(schemas.StatisticsOut, infer=True))
    async def statistics(name: Name, version: str = work.VERSION) -> Response:
        """Open Inference Protocol: how many requests a model answered, and how long that took."""
        return _json(service.statistics(name, version))

    @app.get(f"{prefix}/ready", responses=_answers(schemas.ReadyOut, infer=True, unready=schemas.ReadyOut))
    async def model_ready(name: Name, version: str = work.VERSION) -> Response:
        """Open Inference Protocol: whether a model answers now."""
        service.metadata(name, version)
        return _ready(service.status == "ready")

    @app.post(f"{prefix}/infer", responses=_answers(schemas.InferOut, computed=True, infer=True), openapi_extra=TENSOR)
    async def infer_(request: Request, name: Name, version: str = work.VERSION) -> Response:
        """Open Inference Protocol: class probabilities of levels uint8 [N, C, H, W]."""
        service.metadata(name, version)
        return await service.compute("infer", request, name)


def _answers(
    model: Any, *, computed: bool = False, infer: bool = False, more: tuple[int, ...] = (), unready: Any = None
) -> Responses:
    found: Responses = {200: {"model": model}, **errors(computed=computed, infer=infer, more=more)}
    if unready is not None:
        found[503] = {"model": unready, "description": "Not ready: starting, or about to end."}
    return found


def _json(content: Any, status: int = 200) -> Response:
    return Response(document(content), status, media_type="application/json")


def _ready(ready: bool) -> Response:
    return _json({"ready": ready}, 200 if ready else 503)


def _answer_in_our_words(app: FastAPI) -> None:
    """What FastAPI and Starlette refuse by themselves looks like everything else that is refused."""

    def answer(request: Request, fault: Fault) -> Response:
        headers, body = fault.answer(request.scope["path"])
        return Response(body, fault.status, headers)

    @app.exception_handler(Fault)
    async def told(request: Request, fault: Fault) -> Response:
        return answer(request, fault)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return answer(request, Fault(422, first["msg"], field=".".join(map(str, first["loc"][1:]))))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        words = {404: "there is nothing at this address", 405: "not with this method"}
        return answer(request, Fault(error.status_code, words.get(error.status_code, "refused"), headers=error.headers))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return answer(request, Fault(500, "something went wrong here; the log has more"))


def _document(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            add_definitions(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
