"""What reads bytes from outside, each with valid examples to begin from: the targets of fuzzing.

A target either reads its input or refuses it with an error of ours; anything else is a finding.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from _networks import small_network
from tenfold.bundle.inspection import check_model_bytes
from tenfold.bundle.manifest import read_manifest
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.data.images import decode_image
from tenfold.data.load import load
from tenfold.errors import DataError, IntegrityError, UsageError
from tenfold.service.bodies import check_sizes, decoded, items_of
from tenfold.service.observability import Fault
from tenfold.service.work import inference_of
from tenfold.training.state import deserialise, load_newest, save_checkpoint
from tenfold.values.recipe import load_recipe

REFUSALS = (DataError, IntegrityError, UsageError, Fault)
"""What bytes may be answered with. Exit codes 1 (a bug) and 4 (the machine) may not."""


@dataclass(frozen=True)
class Target:
    """``read(content, folder)`` meets the bytes; ``folder`` is empty and its own. ``seeds()`` are valid examples."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], object]


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def meet(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return meet


def _tables() -> list[bytes]:
    names = ",".join(f"pixel{i}" for i in range(16))
    rows = "".join(f"{k},{','.join(str((k * 31 + i * 7) % 256) for i in range(16))}\n" for k in range(6))
    quoted = f'"label",{names}\r\n' + rows.replace("\n", "\r\n").replace("0,", '"0",', 1)
    return [f"label,{names}\n{rows}".encode(), b"\xef\xbb\xbf" + quoted.encode()]


def _idx() -> list[bytes]:
    pixels = bytes(range(64))
    return [struct.pack(">IIII", 0x803, 4, 4, 4) + pixels, struct.pack(">II", 0x801, 64) + pixels]


def _pictures() -> list[bytes]:
    ramp = np.arange(144, dtype=np.uint8).reshape(12, 12)
    made = []
    for mode, form in (("L", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("RGB", "JPEG"), ("1", "BMP"), ("I;16", "PNG")):
        image = Image.fromarray(ramp.astype(np.uint16) * 256) if mode == "I;16" else Image.fromarray(ramp).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, form)
        made.append(buffer.getvalue())
    return made


@cache
def _model() -> bytes:
    torch.manual_seed(0)
    return export_onnx([small_network()], (1, 8, 8), 10, "mean")


def _manifests() -> list[bytes]:
    manifest = {
        "format_version": 1,
        "tenfold": "0.1.0",
        "model": {"sha256": "0" * 64, "bytes": 1000},
        "image_shape": [1, 8, 8],
        "class_names": list("0123456789"),
        "preprocessing": "uint8 0..255, ink is bright; divided by 255 inside the model",
        "pixel_mean": 33.1,
        "vote": "mean",
        "members": 2,
        "parameters": 1000,
        "metrics": {"test accuracy": {"value": 0.99, "low": 0.98, "high": 0.995, "images": 1000}},
        "leaked": False,
        "recipe": "quick",
        "recipe_key": "0123456789abcdef",
        "trained_on": "train.csv",
        "data_fingerprint": "0" * 64,
        "calibration": {"temperature": 1.1, "images": 1000},
        "reject_threshold": 0.5,
    }
    return [json.dumps(manifest, indent=2).encode()]


@cache
def _checkpoint() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        position = {"epoch": 1, "step": 2, "history": [{"epoch": 1}]}
        return save_checkpoint(Path(folder), {"a": torch.arange(6.0), "b": torch.ones(2, 3)}, position).read_bytes()


def _meet_checkpoint(content: bytes, folder: Path) -> object:
    import hashlib

    path = folder / f"000001-00000002-{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
    path.write_bytes(content)
    deserialise(content, path)
    return load_newest(folder)


def _meet_picture(content: bytes, folder: Path) -> object:
    return decode_image(content, "picture.png")


TYPES = ("multipart/form-data; boundary=xyz", "application/json", "image/png")


def _bodies() -> list[bytes]:
    """A content type and a body, with a newline between."""
    png = _pictures()[0]
    form = (
        b'--xyz\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        + png
    )
    pixels = json.dumps({"image": {"pixels": [[0, 9], [200, 255]]}}).encode()
    encoded = json.dumps({"images": [{"base64": "iVBORw0KGgo="}]}).encode()
    bodies = [form + b"\r\n--xyz--\r\n", pixels, png]
    return [kind.encode() + b"\n" + body for kind, body in zip(TYPES, bodies, strict=True)] + [
        b"application/json\n" + encoded
    ]


def _meet_body(content: bytes, folder: Path) -> object:
    kind, _, body = content.partition(b"\n")
    items = items_of(kind.decode("latin-1"), body, 16)
    check_sizes(items)
    return [decoded(item) for item in items]


def _tensors() -> list[bytes]:
    tensor = {"name": "images", "shape": [1, 1, 2, 2], "datatype": "UINT8", "data": [0, 1, 2, 255]}
    return [json.dumps({"id": "1", "inputs": [tensor]}).encode()]


def _meet_tensor(content: bytes, folder: Path) -> object:
    return inference_of("application/json", None, content, (1, 2, 2), 16)


def _recipes() -> list[bytes]:
    text = (
        'name = "a"\nseed = 1\n[data]\nvalidation = 0.1\n[model]\nlayers = "8C3 BN FLAT SOFTMAX"\n[train]\nepochs = 3\n'
    )
    return [(text + '[[augment]]\nkind = "affine"\nshift = 2\n').encode()]


def _archives() -> list[bytes]:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.arange(64, dtype=np.uint8).reshape(4, 4, 4), labels=np.arange(4))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", _tables()[0])
    return [buffer.getvalue(), zipped.getvalue()]


def _meet_archive(content: bytes, folder: Path) -> object:
    path = folder / ("a.npz" if b"images.npy" in content else "a.zip")
    path.write_bytes(content)
    return load(path)


TARGETS = {
    "csv": Target(_tables, _file("train.csv", load)),
    "idx": Target(_idx, _file("train-images-idx3-ubyte", lambda path: load(path, "test"))),
    "archive": Target(_archives, _meet_archive),
    "image": Target(_pictures, _meet_picture),
    "manifest": Target(_manifests, _file("manifest.json", read_manifest)),
    "model": Target(lambda: [_model()], lambda content, folder: check_model_bytes(content)),
    "safetensors": Target(lambda: [_checkpoint()], _meet_checkpoint),
    "body": Target(_bodies, _meet_body),
    "tensor": Target(_tensors, _meet_tensor),
    "recipe": Target(_recipes, _file("recipe.toml", load_recipe)),
}
