"""Export: a trained model in the forms that others take, a page that works offline among them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tenfold.api.shared import Option, Page, RunLike, insist_on_free, place_of
from tenfold.data import ReadOptions
from tenfold.errors import UsageError

DEFAULT = ReadOptions()


def export(
    run: RunLike,
    to: Annotated[str, Option("--to", "onnx|c|mlflow|hub")],
    *,
    out: Annotated[str | Path | None, Option(metavar="PATH")] = None,
    data: Annotated[str | Path | None, Option(metavar="SOURCE")] = None,
    replace: bool = True,
    options: ReadOptions = DEFAULT,
) -> list[str]:
    """Write a trained model in a form that others take: ONNX, C, an MLflow or a model hub's folder.

    Args:
        run: a run, or a bundle.
        to: onnx, c, mlflow or hub.
        out: what to write; default: a name that says what it is.
        data: for onnx: labelled images; an int8 model is made too, and its loss measured.
        replace: replace a file that exists.
        options: how to read the images.

    Returns:
        Lines for people: what was written, and what was measured.

    Raises:
        UsageError: no such form, or a file is in the way.
        IntegrityError: no such bundle.
        ResourceError: a package is missing, or the file cannot be written.

    Example:
        >>> import tenfold
        >>> lines = tenfold.export("runs/RUN", "onnx", out="digits.onnx")
        >>> from pathlib import Path
        >>> Path("digits.onnx").is_file()
        True
    """
    from tenfold.bundle.manifest import MANIFEST, bundle_folder, model_bytes, read_manifest
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.targets import TARGETS, Request

    target = TARGETS.get(to)
    if data is not None and not target.measures:
        raise UsageError(f"--data is for --to onnx, which measures an int8 model with it; leave it out for --to {to}")
    place, path = place_of(run), Path(out or target.default)
    insist_on_free(replace, path)
    model = model_bytes(place)
    bundle = Bundle(read_manifest(bundle_folder(place) / MANIFEST), model)
    measured = None
    if data is not None:
        measured = read_input(data, bundle, options)
        bundle.check(measured)
    return list(target.write(Request(bundle, model, path, replace, measured)))


def page(bundle: RunLike = "builtin", *, out: Page = "demo.html", replace: bool = True) -> Path:
    """Write the page to draw on as one file that works offline: the network runs in the browser.

    Args:
        bundle: a bundle, or a run that has one.
        out: the file to write.
        replace: replace the file if it exists.

    Raises:
        UsageError: the file is in the way, or the browser cannot run this model.
        IntegrityError: no such bundle.

    Example:
        >>> import tenfold
        >>> tenfold.page(out="draw.html").stat().st_size > 100_000
        True
    """
    from tenfold.files import write_text
    from tenfold.service.demo import demo_page

    insist_on_free(replace, out)
    write_text(Path(out), demo_page(str(place_of(bundle))), overwrite=replace)
    return Path(out)
