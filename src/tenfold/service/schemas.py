"""What requests and answers look like: checked on the way in, documented in ``/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag

Level = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EncodedImage(_Strict):
    """An image file, encoded."""

    base64: Annotated[
        str, Field(min_length=1, description="a PNG, JPEG, BMP, GIF or WebP file; standard alphabet, padded")
    ]


class PixelImage(_Strict):
    """Levels as the model takes them: 0 is background, 255 full ink."""

    pixels: Annotated[
        list[Annotated[list[Level], FailFast(), Field(min_length=1, max_length=4096)]],
        FailFast(),
        Field(
            min_length=1,
            max_length=4096,
            description="rows of levels, exactly the height and width of the model's images",
        ),
    ]


# tags are marked, so that the path of a fault can leave them out
def _kind(value: Any) -> str:
    return "<pixels>" if isinstance(value, dict) and "pixels" in value else "<base64>"


ImageIn = Annotated[
    Annotated[EncodedImage, Tag("<base64>")] | Annotated[PixelImage, Tag("<pixels>")], Discriminator(_kind)
]


class OneImage(_Strict):
    """A single image."""

    image: ImageIn


class ManyImages(_Strict):
    """A batch; if one of them is bad, all are refused and the bad one is named."""

    images: Annotated[list[ImageIn], FailFast(), Field(min_length=1)]


def _count(value: Any) -> str:
    return "<many>" if isinstance(value, dict) and "images" in value else "<one>"


PredictIn = Annotated[Annotated[OneImage, Tag("<one>")] | Annotated[ManyImages, Tag("<many>")], Discriminator(_count)]


class Example(_Strict):
    """An image with the class that a person gave it."""

    image: EncodedImage
    label: Annotated[str, Field(min_length=1, max_length=100)]


class _Lenient(BaseModel):
    """The protocol has members that this service does not need, and clients add more: they are ignored."""

    model_config = ConfigDict(extra="ignore")


class TensorIn(_Lenient):
    """A tensor of the Open Inference Protocol; without ``data`` its bytes stand behind the JSON."""

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0, le=1 << 31)]], Field(min_length=1, max_length=8)]
    datatype: str
    data: Annotated[
        list[Any] | None, Field(description="levels 0..255, flat or nested, in row-major order; or files in base64")
    ] = None
    parameters: dict[str, Any] = {}


class OutputIn(_Lenient):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferIn(_Lenient):
    """An inference request of the Open Inference Protocol, version 2."""

    id: Annotated[str, Field(max_length=200)] = ""
    parameters: dict[str, Any] = {}
    inputs: Annotated[list[TensorIn], Field(min_length=1)]
    outputs: Annotated[list[OutputIn], Field(max_length=8)] = []


class ModelConfig(BaseModel):
    """A model's configuration as Triton's clients read it."""

    name: str
    platform: str
    max_batch_size: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]


class StatisticsOut(BaseModel):
    """What the protocol's statistics extension tells of a model."""

    model_stats: list[dict[str, Any]]


class RepositoryModel(BaseModel):
    """A model in the repository index."""

    name: str
    version: str
    state: str
    reason: str


RepositoryOut = list[RepositoryModel]


class ErrorDetail(BaseModel):
    """What was wrong."""

    code: str
    message: str
    field: str


class ErrorOut(BaseModel):
    """The body of every answer that is not 2xx, below /v1."""

    error: ErrorDetail


class InferErrorOut(BaseModel):
    """The body of every answer that is not 2xx, below /v2."""

    error: str


class PredictionOut(BaseModel):
    """What one image shows."""

    label: Annotated[str | None, Field(alias="class", description="the most probable class, or null for a blank image")]
    confidence: Share
    blank: Annotated[bool, Field(description="no ink was found; nothing was computed")]
    rejected: Annotated[bool, Field(description="there is ink, but probably none of the classes: do not rely on class")]
    probabilities: Annotated[dict[str, Share], Field(description="by class; empty for a blank image")]
    input: Annotated[list[list[Level]] | None, Field(description="what the model saw; with show=input")] = None
    saliency: Annotated[
        list[list[float]] | None,
        Field(
            description="how much confidence is lost when the surroundings of a pixel are covered; with show=saliency"
        ),
    ] = None


class PredictOut(BaseModel):
    """The answer of /v1/predict, in the order of the images."""

    model: str
    predictions: list[PredictionOut]


class DigitOut(BaseModel):
    """A digit on a page."""

    label: Annotated[str, Field(alias="class")]
    confidence: Share
    rejected: bool
    box: Annotated[
        list[int], Field(description="x, y, width, height in pixels of the image", min_length=4, max_length=4)
    ]


class MarkOut(DigitOut):
    """One of . , - + / : ( ) = # between digits; "?" for a letter or a sign."""

    place: Annotated[int, Field(description="how many of the image's digits are before it")]


class PageOut(BaseModel):
    """What one image says, line by line."""

    text: Annotated[str, Field(description="digits and marks in reading order, lines separated by line feeds")]
    digits: list[DigitOut]
    marks: list[MarkOut]


class ReadOut(BaseModel):
    """The answer of /v1/read, in the order of the images."""

    model: str
    images: list[PageOut]


class ModelOut(BaseModel):
    """A model that is served."""

    name: str
    classes: list[str]
    image_shape: Annotated[list[int], Field(description="channels, height, width")]
    sha256: str
    trained_on: str
    metrics: dict[str, Any]
    reads: Annotated[bool, Field(description="whether it takes images of any size and /v1/read")]


class ModelsOut(BaseModel):
    """Every model; the first is the default."""

    models: list[ModelOut]
    keeps_examples: bool


class SampleOut(BaseModel):
    """An image with its label, from a data set's test part."""

    pixels: list[list[Level]]
    label: str


class SamplesOut(BaseModel):
    """Some images of MNIST's test part, or none if MNIST is not in the cache."""

    samples: list[SampleOut]


class KeptOut(BaseModel):
    """An example was written."""

    label: str
    kept: Annotated[int, Field(description="examples of this label now")]


class HealthOut(BaseModel):
    """How the service is."""

    status: Literal["live", "ready", "starting", "draining"]


class LiveOut(BaseModel):
    """/v2/health/live."""

    live: bool


class ReadyOut(BaseModel):
    """/v2/health/ready and a model's ready."""

    ready: bool


class ServerOut(BaseModel):
    """/v2."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """Name, type and shape of a tensor; -1 is any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """/v2/models/NAME."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class TensorOut(TensorMetadata):
    """A tensor of an answer, row-major."""

    data: list[float]


class InferOut(BaseModel):
    """The answer of infer."""

    model_name: str
    model_version: str
    id: str
    outputs: list[TensorOut]
