"""What a bundle says about itself: ``manifest.json``, written and read through one definition."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenfold import __version__
from tenfold.errors import IntegrityError, printable
from tenfold.values.json_object import read_json_object

FORMAT_VERSION: Final = 1
MANIFEST, MODEL, CARD = "manifest.json", "model.onnx", "card.md"
DARK = 96
"""A mean level, of 0..255, below which the background is dark for certain."""
Preprocessing = Literal["uint8 0..255, ink is bright; divided by 255 inside the model"]

Size = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(_Table):
    """A share of ``images`` images, 0..1, with its 95 % interval."""

    value: Share
    low: Share
    high: Share
    images: Annotated[int, Field(ge=1)]


class ModelFile(_Table):
    """What ``model.onnx`` must be, to the bit."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=1)]


class Calibration(_Table):
    """How to make the model's probabilities honest: p^(1/temperature), normalised."""

    temperature: Annotated[float, Field(gt=0, le=1000)]
    images: Annotated[int, Field(ge=1)]
    """Held-out images that it, and the reject threshold, were learnt from."""


class FirstLook(_Table):
    """When one look is enough; see :mod:`tenfold.bundle.first_look`."""

    tensor: Annotated[str, Field(min_length=1, max_length=200)]
    """Inside the graph: class probabilities (N, K) by one network that looked once."""
    sure: Share
    """An image of which that one is at least so sure gets no other look."""
    images: Annotated[int, Field(ge=1)]
    """Held-out images that ``sure`` was learnt from."""


class Manifest(_Table):
    """The contract of a bundle. See the class's fields for every key of ``manifest.json``."""

    format_version: Literal[1] = FORMAT_VERSION
    tenfold: str = __version__
    """The release that wrote it."""
    model: ModelFile
    image_shape: tuple[Size, Size, Size]
    """(C, H, W) of the images it takes."""
    class_names: Annotated[tuple[str, ...], Field(min_length=2)]
    preprocessing: Preprocessing = "uint8 0..255, ink is bright; divided by 255 inside the model"
    pixel_mean: Annotated[float, Field(ge=0, le=255)]
    """Mean level of images like those it was trained on: tells bright ink from dark ink."""
    vote: Literal["mean", "log-mean"]
    members: Annotated[int, Field(ge=1)]
    left_out: Annotated[int, Field(ge=0)] = 0
    """Members that were damaged and do not vote."""
    parameters: Annotated[int, Field(ge=1)]
    """Of all members together, as trained."""
    metrics: dict[str, Estimate]
    """By what they are: "test accuracy", "validation accuracy"."""
    leaked: bool = False
    """Whether test images were among the training images, which makes the test accuracy worthless."""
    recipe: str
    recipe_key: str
    trained_on: str
    """The training data, by name."""
    data_fingerprint: Sha256
    calibration: Calibration | None = None
    """None where no rows were held out, and in bundles written before there was one."""
    golden: tuple[Share, ...] | None = None
    """What the model said of :func:`~tenfold.bundle.golden.golden_image` when it was made; `tenfold verify` asks again.
    None in bundles written before there was one."""
    reject_threshold: Share | None = None
    """An image whose best class is less probable than this, as the model says it, is better left to people.
    None knows no such images."""
    first_look: FirstLook | None = None
    """None where every image gets every look, and in bundles written before there was one."""


def read_manifest(path: Path) -> Manifest:
    """The manifest in the file ``path``.

    Raises:
        IntegrityError: missing, not JSON, too large, nested too deep, of another format version, or
            with a key that is missing, unknown or wrong.
    """
    content = read_json_object(path)
    version = content.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > FORMAT_VERSION
        writer = printable(content.get("tenfold", "a newer release"))[:40]
        advice = f"; tenfold {writer} wrote it and reads it, so install that one or a later one" if newer else ""
        raise IntegrityError(
            f"{path}: found format_version {printable(repr(version))[:40]}, "
            f"expected {FORMAT_VERSION} (this is tenfold {__version__}){advice}"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise IntegrityError(f"{path} is not a bundle's manifest - {printable('; '.join(faults))}") from None
