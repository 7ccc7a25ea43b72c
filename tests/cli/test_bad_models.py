"""M01-M14 as a user meets them: ``tenfold predict`` and ``tenfold verify`` leave with 6, say why, run nothing, write
nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from safetensors.numpy import save_file

from _bundles import digits, digits_run
from _exploits import Touch
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_run(tmp_path_factory.mktemp("good")).path / "bundle"


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to be damaged."""
    return Path(shutil.copytree(good, tmp_path / "bundle"))


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    Image.fromarray(digits().images[0, 0]).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def rewritten(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def model(content: bytes) -> Callable[[Path], None]:
    """Another model with a manifest that fits it, as an attacker would write it."""

    def change(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(content)
        rewritten(folder, model={"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})

    return change


def graph(edit: Callable[[Any], None]) -> Callable[[Path], None]:
    """The same model with its graph edited, and a manifest that fits."""

    def change(folder: Path) -> None:
        loaded = onnx.load(folder / "model.onnx")
        edit(loaded.graph)
        model(loaded.SerializeToString())(folder)

    return change


def canary(folder: Path) -> None:
    model(pickle.dumps(Touch(folder.parent / "canary")))(folder)


def objects(folder: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Touch(folder.parent / "canary")]), allow_pickle=True)
    model(buffer.getvalue())(folder)


def flipped(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def infinite(graph: Any) -> None:
    tensor = graph.initializer[1]
    tensor.raw_data = np.full(list(tensor.dims), np.inf, np.float32).tobytes()


def outside(graph: Any) -> None:
    tensor = graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")


def foreign(graph: Any) -> None:
    graph.node[0].domain = "evil.ops"


def branches(graph: Any) -> None:
    branch = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "branch", [], [])
    graph.node.append(onnx.helper.make_node("If", ["images"], ["z"], then_branch=branch, else_branch=branch))


def tensor_missing(graph: Any) -> None:
    del graph.initializer[1]


def link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")


def manifest(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "manifest.json").write_bytes(content) and None


def huge(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 100 << 20)


def settings(**changes: object) -> Callable[[Path], None]:
    return lambda folder: rewritten(folder, **changes)


DAMAGED = {
    "M01 pickle": (canary, r"model\.onnx"),
    "M01 npy with objects": (objects, r"model\.onnx"),
    "M01 zip": (model(b"PK\x03\x04" + bytes(60)), r"model\.onnx"),
    "M01 empty": (model(b""), "model.bytes: Input should be greater than or equal to 1"),
    "M04": (flipped, r"model\.onnx: SHA-256 differs from manifest"),
    "M05": (graph(infinite), r"model\.onnx (cannot|answers)"),
    "M06": (graph(tensor_missing), "cannot be loaded"),
    "M07 missing": (lambda folder: (folder / "manifest.json").unlink(), "holds no bundle"),
    "M07 no JSON": (manifest(b"format_version = 1"), "not readable JSON"),
    "M07 deep": (manifest(b"[" * 100_000), "not readable JSON"),
    "M07 huge": (huge, "found 104,857,600 bytes"),
    "M07 unknown": (manifest(b"{}"), "found format_version None"),
    "M07 newer": (
        manifest(b'{"format_version": 7, "tenfold": "9.1.0"}'),
        r"format_version 7.*tenfold 9\.1\.0 wrote it",
    ),
    "M08 normalisation": (
        settings(preprocessing="divided by 127.5, minus one"),
        "not a bundle's manifest - preprocessing",
    ),
    "M08 classes": (settings(class_names=list("abc")), "found the signature"),
    "M09 external data": (graph(outside), "field 13 in a tensor"),
    "M09 link": (link, "symbolic link"),
    "M10 foreign operator": (graph(foreign), "which no bundle of ours holds"),
    "M10 If": (graph(branches), "which no bundle of ours holds"),
    "M14": (settings(model={"path": "../../elsewhere.onnx", "sha256": "0" * 64, "bytes": 1}), "manifest - model.path"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_predict_refuses_the_bundle_and_writes_nothing(
    case: str, folder: Path, digit: Path, forked: Callable[..., Any]
) -> None:
    damage, words = DAMAGED[case]
    damage(folder)
    done = forked("predict", folder, digit, "--out", folder.parent / "out.csv")
    assert done.code == 6, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert re.search(words, done.stderr), done.stderr
    assert (done.stdout, done.changed) == ("", [])
    assert not (folder.parent / "canary").exists()


WEIGHTS = {
    "M02 pickle": lambda path: path.write_bytes(pickle.dumps(Touch(path.parents[2] / "canary"))),
    "M03 truncated": lambda path: os.truncate(path, path.stat().st_size - 3),
    "M03 header of 2^63": lambda path: path.write_bytes((2**63).to_bytes(8, "little") + b"{}"),
    "M03 four bytes": lambda path: path.write_bytes(b"1234"),
    "M05": lambda path: save_file({"0.weight": np.full((2, 3), np.nan, np.float32)}, path),
}


@pytest.mark.parametrize("fitting", [False, True], ids=["hash of old", "hash made to fit"])
@pytest.mark.parametrize("case", WEIGHTS)
def test_verify_refuses_the_weights_and_writes_nothing(
    case: str, fitting: bool, tmp_path: Path, forked: Callable[..., Any]
) -> None:
    run = Run.at(tmp_path / "run", Recipe(name="small", model=[{"layers": "SOFTMAX"}]))
    path = run.member_path(0) / "weights.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"0.weight": np.ones((2, 3), np.float32)}, path)
    run.seal()
    WEIGHTS[case](path)
    if fitting:
        run.seal()
    done = forked("verify", run.path)
    assert done.code == 6, done.stderr
    assert "members/00/weights.safetensors" in done.stderr
    assert ("SHA-256 differs from manifest" in done.stderr) == (not fitting)
    assert "Traceback" not in done.stderr
    assert done.changed == []
    assert not (tmp_path / "canary").exists()
