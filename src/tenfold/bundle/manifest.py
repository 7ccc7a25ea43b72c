"""What a bundle says about itself: ``manifest.json``, written and read through one definition."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tenfold import __version__
from tenfold.errors import IntegrityError, ResourceError, printable
from tenfold.files import make_directory, refused, sha256_of, write_bytes
from tenfold.values.names import MOST_CLASSES, RECIPE_NAME, check_class_names, check_file_name
from tenfold.values.serialisation import read_json_object

GOLDEN_TOLERANCE = 1e-3
"""How far probabilities may be from those recorded: another processor rounds otherwise, damage is far more."""


def golden_image(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The image of ``shape`` (C, H, W) that it is asked about: made by arithmetic, the same for ever."""
    c, y, x = np.indices(shape)
    image: NDArray[np.uint8] = ((37 * c + x * x + 3 * x * y + 2 * y * y) % 256).astype(np.uint8)
    return image


FORMAT_VERSION: Final = 1
MANIFEST, MODEL, CARD = "manifest.json", "model.onnx", "card.md"
DARK = 96
"""A mean level, of 0..255, below which the background is dark for certain."""
Preprocessing = Literal["uint8 0..255, ink is bright; divided by 255 inside the model"]

Count = Annotated[int, Field(ge=1, le=2**53)]
Size = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z][0-9A-Za-z ._()%-]{0,63}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(_Table):
    """A share of ``images`` images, 0..1, with its 95 % interval."""

    value: Share
    low: Share
    high: Share
    images: Count


class ModelFile(_Table):
    """What ``model.onnx`` must be, to the bit."""

    sha256: Sha256
    bytes: Count


class Calibration(_Table):
    """How to make the model's probabilities honest: p^(1/temperature), normalised."""

    temperature: Annotated[float, Field(gt=0, le=1000)]
    images: Count
    """Held-out images that it, and the reject threshold, were learnt from."""


class FirstLook(_Table):
    """When one look is enough; see :mod:`tenfold.bundle.predict`."""

    tensor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$")]
    """Inside the graph: class probabilities (N, K) by one network that looked once."""
    sure: Share
    """An image of which that one is at least so sure gets no other look."""
    images: Count
    """Held-out images that ``sure`` was learnt from."""


class Manifest(_Table):
    """The contract of a bundle. See the class's fields for every key of ``manifest.json``.

    A bundle may come from a stranger, so every text in it has a pattern, or is a valid name by
    :mod:`tenfold.values.names`,
    and every count a limit. What writes such texts somewhere escapes them all the same.
    """

    format_version: Literal[1] = FORMAT_VERSION
    tenfold: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}$")] = __version__
    """The release that wrote it."""
    model: ModelFile
    image_shape: tuple[Size, Size, Size]
    """(C, H, W) of the images it takes."""
    class_names: Annotated[
        tuple[str, ...], Field(min_length=2, max_length=MOST_CLASSES), AfterValidator(check_class_names)
    ]
    preprocessing: Preprocessing = "uint8 0..255, ink is bright; divided by 255 inside the model"
    pixel_mean: Annotated[float, Field(ge=0, le=255)]
    """Mean level of images like those it was trained on: tells bright ink from dark ink."""
    vote: Literal["mean", "log-mean"]
    members: Count
    left_out: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Members that were damaged and do not vote."""
    parameters: Count
    """Of all members together, as trained."""
    metrics: Annotated[dict[MetricName, Estimate], Field(max_length=64)]
    """By what they are: "test accuracy", "validation accuracy"."""
    leaked: bool = False
    """Whether test images were among the training images, which makes the test accuracy worthless."""
    recipe: Annotated[str, Field(pattern=RECIPE_NAME)]
    recipe_key: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,64}$")]
    trained_on: Annotated[str, AfterValidator(check_file_name)]
    """The training data, by name."""
    data_fingerprint: Sha256
    calibration: Calibration | None = None
    """None where no rows were held out, and in bundles written before there was one."""
    golden: Annotated[tuple[Share, ...], Field(max_length=MOST_CLASSES)] | None = None
    """What the model said of :func:`~tenfold.bundle.manifest.golden_image` when it was made; `tenfold verify` asks
    again.
    None in bundles written before there was one."""
    reject_threshold: Share | None = None
    """An image whose best class is less probable than this, as the model says it, is better left to people.
    None knows no such images."""
    first_look: FirstLook | None = None
    """None where every image gets every look, and in bundles written before there was one."""
    resize: Literal["stretch", "keep aspect"] | None = None
    """How training images of other sizes were brought to ``image_shape``; images to predict are, too."""

    def as_json(self) -> dict[str, Any]:
        """For ``manifest.json``; without ``resize`` where nothing was resized, as earlier releases wrote it."""
        return self.model_dump(mode="json", exclude=set() if self.resize else {"resize"})


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
        faults = (
            f"{'.'.join(map(str, item['loc']))[:200]}: {item['msg']}" for item in error.errors(include_url=False)[:5]
        )
        raise IntegrityError(f"{path} is not a bundle's manifest - {printable('; '.join(faults))}") from None


BUILTIN = "builtin"
"""The name of the bundle that comes with tenfold; write ``./builtin`` for a path of that name."""
_BUILTIN_FOLDER = Path(__file__).parent / BUILTIN


MODELS = "TENFOLD_MODELS"
"""The variable that says where released bundles are: a folder, or the URL of one."""
_RELEASED = Path(__file__).with_name("released.json")
_CHECKOUT = Path(__file__).parents[3] / "models"
LARGEST = 64 << 20
"""The most bytes of a released bundle's file that are fetched."""


@cache
def releases() -> dict[str, dict[str, Any]]:
    """The bundles that are published beside the package: name, such as ``kaggle/fast``, -> ``sha256`` of the manifest,
    which has that of the model, and ``accuracy``, what is expected on images that did not train it.
    """
    return read_json_object(_RELEASED)


def bundle_folder(path: Path | str) -> Path:
    """``path`` if it holds a bundle's manifest, else its sub-folder ``bundle``; the folder of the bundle called
    "builtin"; else that of the released bundle of this name, of which ``fast`` alone is the first ``.../fast``.

    Raises:
        IntegrityError: there is no bundle in either, and none of this name; or a released one was changed.
        ResourceError: a released one is not at hand.
    """
    name = Path(path).as_posix()
    path = _BUILTIN_FOLDER if str(path) == BUILTIN else Path(path)
    # a run has a manifest of its own, hence the order
    for folder in (path / "bundle", path):
        if (folder / MANIFEST).is_file():
            return folder
    for known in releases():
        if name in (known, known.rpartition("/")[2]):
            return _released_folder(known)
    if path.is_file() and (path.parent / MANIFEST).is_file():
        raise IntegrityError(f"{path} is a part of a bundle; name the folder that holds it: {path.parent}")
    found = f"found no {MANIFEST} in it" if path.is_dir() else "it is a file" if path.exists() else "no such folder"
    raise IntegrityError(
        f"{path} holds no bundle: {found}; expected a bundle, a run directory that has one, or the name of a released"
        " one: tenfold recipes lists them"
    )


def _released_folder(name: str) -> Path:
    """Where TENFOLD_MODELS says, else in the checkout that tenfold runs from; a URL's is copied once."""
    place, sha256 = os.environ.get(MODELS) or str(_CHECKOUT), releases()[name]["sha256"]
    folder = Path(place) / name
    if place.startswith(("http://", "https://")):
        from tenfold.data.cache import home
        from tenfold.data.fetch import download

        url, folder = f"{place.rstrip('/')}/{name}", home() / "models" / sha256[:32]
        if not (folder / MANIFEST).is_file():
            manifest = _same(download(f"{url}/{MANIFEST}", limit=LARGEST), sha256, f"{url}/{MANIFEST}")
            its = json.loads(manifest)["model"]["sha256"]
            write_bytes(make_directory(folder) / MODEL, _same(download(f"{url}/{MODEL}", limit=LARGEST), its, url))
            write_bytes(folder / MANIFEST, manifest)  # last: without it there is no bundle
    if not (folder / MANIFEST).is_file():
        raise ResourceError(
            f"the released bundle {name} is not in {place}, and the package itself has none: set {MODELS} to the folder"
            f" models of a checkout of tenfold, or to its URL, or train one: tenfold run {name.rpartition('/')[2]}"
        )
    _same((folder / MANIFEST).read_bytes(), sha256, folder / MANIFEST)
    return folder


def _same(content: bytes, sha256: str, where: Path | str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(
            f"{where}: SHA-256 differs from that of the release; it was changed, damaged or made for another version"
            " of tenfold. Copy it again"
        )
    return content


def model_bytes(path: Path | str) -> bytes:
    """The content of the model in the bundle at ``path``; compare it with the manifest, as ``Bundle`` does.

    Raises:
        IntegrityError: no bundle there, or a model of another size.
    """
    folder = bundle_folder(path)
    return read_model(folder / MODEL, read_manifest(folder / MANIFEST).model.bytes)


def read_model(path: Path, size: int) -> bytes:
    """The bytes of a model file that must have ``size`` of them.

    Raises:
        IntegrityError: missing, a link, or of another size.
        ResourceError: the operating system refused.
    """
    if path.is_symlink():
        raise IntegrityError(f"{path} is a symbolic link; a bundle's files are its own. Copy the bundle again")
    try:
        found = path.stat().st_size
        if found != size:
            raise IntegrityError(f"{path}: found {found:,} bytes, expected {size:,}; SHA-256 differs from manifest")
        return path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing; copy the bundle again") from None
    except OSError as error:
        raise refused(path, error, "read") from error


def check_hash(folder: Path) -> None:
    """Compare the model in the bundle ``folder`` with its manifest.

    Raises:
        IntegrityError: they differ.
    """
    if sha256_of(folder / MODEL) != read_manifest(folder / MANIFEST).model.sha256:
        raise IntegrityError(f"{folder / MODEL}: SHA-256 differs from manifest; the file was changed or damaged")
