"""The page as one file that needs no service: the network runs in the browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.bundle.inspection import check_model_bytes, operators_of
from tenfold.bundle.manifest import DARK, MANIFEST, Manifest, bundle_folder, model_bytes, read_manifest
from tenfold.errors import IntegrityError, UsageError
from tenfold.models.layers import LAYERS
from tenfold.service.examples import sample_row
from tenfold.service.settings import READABLE, REJECT

SCRIPTS = ("views.js", "pad.js", "onnx.js", "network.js", "layers", "normalise.js", "local.js", "page.js")
"""Files of ``page/`` in order; ``layers`` stands for the files beside the layers."""
SAMPLES = 30


def demo_page(bundle: Path | str) -> str:
    """One HTML file with the model of ``bundle`` inside; it loads nothing and sends nothing.

    Raises:
        IntegrityError: no bundle there, or a damaged one.
        UsageError: it takes other images than grey ones of 28 x 28, or has layers that the page cannot compute.
    """
    folder = bundle_folder(bundle)
    manifest = read_manifest(folder / MANIFEST)
    model = model_bytes(bundle)
    _check(manifest, model)
    samples = sample_row(SAMPLES, np.random.default_rng(0))
    return _assembled(model, manifest, folder.name if folder.name != "bundle" else folder.parent.name, samples)


def in_browser() -> frozenset[str]:
    """The ONNX operators that the page computes."""
    return frozenset(re.findall(r"^OPERATORS\.(\w+) =", _script("network.js") + _script("layers"), re.MULTILINE))


def _script(name: str) -> str:
    """A part of the page's script; ``layers`` is the JavaScript of all layers, those of other packages included."""
    if name != "layers":
        return (resources.files("tenfold.service") / "page" / name).read_text("utf-8")
    own = resources.files(LAYERS.package).iterdir()
    files = sorted((file for file in own if file.name.endswith(".js")), key=lambda file: file.name)
    for point in entry_points(group=LAYERS.package):
        found = find_spec(point.module)
        if found is not None and found.origin and (beside := Path(found.origin).with_suffix(".js")).is_file():
            files.append(beside)
    return "\n".join(file.read_text("utf-8") for file in files)


def _check(manifest: Manifest, model: bytes) -> None:
    if hashlib.sha256(model).hexdigest() != manifest.model.sha256:
        raise IntegrityError("model.onnx: SHA-256 differs from manifest; the file was changed or damaged")
    check_model_bytes(model)
    if manifest.image_shape != READABLE or manifest.pixel_mean >= DARK:
        found = "x".join(map(str, manifest.image_shape))
        raise UsageError(f"the page draws bright ink for grey images of 28 x 28; this bundle takes {found}")
    if missing := operators_of(model) - in_browser():
        raise UsageError(f"the page cannot compute {', '.join(sorted(missing))}; serve this bundle with tenfold serve")


def _assembled(model: bytes, manifest: Manifest, name: str, samples: list[dict[str, Any]]) -> str:
    page = resources.files("tenfold.service") / "page"
    text, style = ((page / file).read_text("utf-8") for file in ("index.html", "page.css"))
    script = "\n".join(_script(file) for file in SCRIPTS)
    data = {
        "model": base64.b64encode(model).decode(),
        "samples": samples,
        "manifest": {
            "name": name,
            "class_names": manifest.class_names,
            "metrics": {key: estimate.model_dump() for key, estimate in manifest.metrics.items()},
            "reject_threshold": REJECT if manifest.reject_threshold is None else manifest.reject_threshold,
            "first_look": manifest.first_look and manifest.first_look.model_dump(),
        },
    }
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src '{_hashed(style)}'; script-src '{_hashed(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    charset = '<meta charset="utf-8">'
    header = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
    text = text.replace(charset, f"{charset}\n{header}")
    text = re.sub(r'<script src="[^"]*" defer></script>\n', "", text)
    # "<" escaped, so that no text in the data can end its element
    document = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    tail = f'<script type="application/json" id="data">{document}</script>\n<script>{script}</script>\n</body>'
    text = text.replace('<link rel="stylesheet" href="page/page.css">', f"<style>{style}</style>")
    return text.replace("</body>", tail)


def _hashed(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
