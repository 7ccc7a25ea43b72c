"""What a model is exported to says what the model says."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml
from torch import nn

from _bundles import digits, digits_run
from _command_line import tenfold
from _networks import random_images, shaken, small_network
from _service import big_digits
from tenfold.bundle.manifest import Manifest, ModelFile, model_bytes
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import Bundle, open_session
from tenfold.bundle.targets import TARGETS
from tenfold.errors import UsageError
from tenfold.models.layers.kernel import Kernel
from tenfold.models.network import parse
from tenfold.plugins.c import c_header

HARNESS = """
#include <stdio.h>
#include "model.h"
int main(void)
{
    static uint8_t pixels[TENFOLD_PIXELS];
    float p[TENFOLD_CLASSES];
    while (fread(pixels, 1, TENFOLD_PIXELS, stdin) == TENFOLD_PIXELS) {
        int best = tenfold_predict(pixels, p);
        if (best < 0 || !tenfold_class_names[best]) return 1;
        fwrite(p, sizeof(float), TENFOLD_CLASSES, stdout);
    }
    return 0;
}
"""
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2"]
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return digits_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def labelled(tmp_path):
    data = digits()
    np.savez(tmp_path / "test.npz", x_test=data.images[:, 0], y_test=data.labels)
    return tmp_path / "test.npz"


def answers_of_c(folder: Path, header: str, images: np.ndarray, classes: int = 10) -> np.ndarray:
    (folder / "model.h").write_text(header)
    (folder / "main.c").write_text(HARNESS)
    program = folder / "program"
    subprocess.run(["gcc", *STRICT, str(folder / "main.c"), "-o", str(program), "-lm"], check=True)
    done = subprocess.run([str(program)], input=images.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(-1, classes)


def manifest_of(model: bytes, image_shape: tuple[int, int, int], classes: int, **changes: object) -> Manifest:
    fields = {
        "model": ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        "image_shape": image_shape,
        "class_names": tuple(f'"{k}" %s \\' for k in range(classes)),
        "pixel_mean": 30.0,
        "vote": "mean",
        "members": 1,
        "parameters": 1000,
        "metrics": {},
        "recipe": "*/ #error",
        "recipe_key": "0123",
        "trained_on": "x",
        "data_fingerprint": "0" * 64,
    }
    return Manifest.model_construct(**{**fields, **changes})  # unchecked: what is written is safe all the same


@needs_gcc
def test_a_thousand_answers_of_the_c_header_are_the_models(run, tmp_path):
    assert tenfold("export", run.path, "--to", "c", "--out", tmp_path / "digits.h").code == 0
    images = digits().take(range(1000)).images
    answers = answers_of_c(tmp_path, (tmp_path / "digits.h").read_text(), images)
    expected = Bundle.open(run.path).predict_proba(images)
    assert np.abs(answers - expected).max() < 1e-5
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert (answers.argmax(axis=1) == digits().labels[:1000]).mean() > 0.95


@needs_gcc
def test_the_recogniser_that_comes_along_has_its_c(tmp_path):
    assert tenfold("export", "builtin", "--to", "c", "--out", tmp_path / "digits.h").code == 0
    images = big_digits().images[:50]
    answers = answers_of_c(tmp_path, (tmp_path / "digits.h").read_text(), images)
    assert np.abs(answers - Bundle.open("builtin").predict_proba(images, every_look=True)).max() < 1e-4


LAYERS = [
    "CROP1 6C3S2 BN RELU 8C3V BN MP2 FLAT 12 BN SOFTMAX",
    "6C3L ELU BN MP2S1 6C5 BN GAP SOFTMAX",
    "4C3 LRELU BN AP2 4C3L SILU GMP SOFTMAX",
    "FLAT 20 SOFTMAX",
    "DESKEW 6C3V BN DW3VL 8C1 BN GAP SOFTMAX",
    "DESKEW GRADIENTS2 6C3 BN FLAT D20 SOFTMAX",
]


@needs_gcc
@pytest.mark.parametrize("layers", LAYERS)
def test_every_layer_has_its_c(layers, tmp_path):
    shape, classes = (2, 9, 11), 7
    members = [shaken(parse(layers, shape, classes), seed) for seed in range(2)]
    bits = {LAYERS[0]: 16, LAYERS[1]: 8}.get(layers, 32)
    model = export_onnx(members, shape, classes, "log-mean", ((0, 0), (1, 0), (0, -1)), bits=bits)
    images = np.random.default_rng(0).integers(0, 256, (200, *shape), dtype=np.uint8)
    answers = answers_of_c(tmp_path, c_header(model, manifest_of(model, shape, classes)), images, classes)
    expected = open_session(model, 1).run(None, {"images": images})[0]
    assert np.abs(answers - expected).max() < 1e-5


@needs_gcc
def test_a_kernel_machine_has_its_c(tmp_path):
    vectors = torch.rand(9, 12, generator=torch.Generator().manual_seed(0))
    network = shaken(nn.Sequential(nn.Flatten(), Kernel(vectors), nn.Linear(9, 6), nn.Softplus(), nn.Linear(6, 4)))
    model = export_onnx([network], (1, 3, 4), 4, "mean")
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 3, 4), dtype=np.uint8)
    answers = answers_of_c(tmp_path, c_header(model, manifest_of(model, (1, 3, 4), 4)), images, 4)
    assert np.abs(answers - open_session(model, 1).run(None, {"images": images})[0]).max() < 1e-5


def test_an_operator_without_c_is_named():
    members = [small_network()]
    model = onnx.load_from_string(export_onnx(members, (1, 8, 8), 10, "mean"))
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Tanh"
    with pytest.raises(UsageError, match="no C for the operator Tanh"):
        c_header(model.SerializeToString(), manifest_of(b"x", (1, 8, 8), 10))


def test_a_large_model_is_no_header(run, tmp_path):
    from tenfold.bundle.targets import Request

    model = model_bytes(run.path)
    bundle = Bundle.open(run.path)
    bundle.manifest = bundle.manifest.model_copy(update={"parameters": 2_000_000})
    with pytest.raises(UsageError, match="at most 1,000,000"):
        TARGETS.get("c").write(Request(bundle, model, tmp_path / "x.h"))
    assert not (tmp_path / "x.h").exists()


def test_the_onnx_file_says_what_it_is_and_answers_the_same(run, tmp_path):
    path = tmp_path / "digits.onnx"
    done = tenfold("export", run.path, "--to", "onnx", "--out", path)
    assert done.code == 0
    assert "opset 17" in done.out
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["class_names"]) == list("0123456789")
    assert json.loads(metadata["metrics"])["test accuracy"]["images"] == 597
    images = random_images()
    assert (session.run(None, {"images": images})[0] == Bundle.open(run.path).predict_proba(images)).all()


def test_an_older_bundle_is_exported_for_narrow_readers_and_answers_the_same(tmp_path):
    path = tmp_path / "digits.onnx"
    assert any("." in node.output[0] for node in onnx.load_from_string(model_bytes("builtin")).graph.node)
    assert tenfold("export", "builtin", "--to", "onnx", "--out", path).code == 0
    graph = onnx.load(path).graph
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert not [name for node in graph.node for name in (*node.input, *node.output) if "." in name]
    filters = [node for node in graph.node if node.op_type == "Conv"]
    assert filters and all("kernel_shape" in {a.name for a in node.attribute} for node in filters)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = big_digits().images[:20]
    expected = Bundle.open("builtin").predict_proba(images, every_look=True)
    assert np.abs(session.run(None, {"images": images})[0] - expected).max() < 1e-6


def test_the_int8_model_comes_with_its_measured_loss(run, labelled, tmp_path):
    path = tmp_path / "digits.onnx"
    done = tenfold("export", run.path, "--to", "onnx", "--out", path, "--data", labelled)
    assert done.code == 0, done.err
    small = onnxruntime.InferenceSession(tmp_path / "digits.int8.onnx", providers=["CPUExecutionProvider"])
    operators = {node.op_type for node in onnx.load(tmp_path / "digits.int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    weights = [
        t for t in onnx.load(tmp_path / "digits.int8.onnx").graph.initializer if t.data_type == onnx.TensorProto.INT8
    ]
    assert sorted(len(t.dims) for t in weights if len(t.dims) > 1) == [2, 4, 4]  # two convolutions, one dense layer
    data = digits()
    chosen = np.zeros(len(data), bool)
    chosen[np.linspace(0, len(data) - 1, len(data) // 3).astype(int)] = True
    batches = np.array_split(data.images[~chosen], 20)
    answers = np.concatenate([small.run(None, {"images": batch})[0].argmax(axis=1) for batch in batches])
    right = int((answers == data.labels[~chosen]).sum())
    metadata = small.get_modelmeta().custom_metadata_map
    assert (int(metadata["int8.images"]), int(metadata["int8.right_int8"])) == (1198, right)
    assert f"accuracy {right / 1198:.4f} (95 % interval" in done.out
    assert right / 1198 > 0.93


def test_int8_wants_labelled_images(run, tmp_path):
    np.savez(tmp_path / "test.npz", x_test=digits().images[:200, 0])
    done = tenfold("export", run.path, "--to", "onnx", "--out", tmp_path / "x.onnx", "--data", tmp_path / "test.npz")
    assert done.code == 2
    assert "no labels" in done.err
    assert not (tmp_path / "x.onnx").exists()


def test_the_mlflow_folder_is_yaml_with_a_signature(run, tmp_path):
    assert tenfold("export", run.path, "--to", "mlflow", "--out", tmp_path / "m").code == 0
    model = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    assert json.loads(model["signature"]["inputs"])[0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 1, 8, 8]}
    assert (tmp_path / "m" / model["flavors"]["onnx"]["data"]).read_bytes() == model_bytes(run.path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_loads_the_folder_and_answers_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    tenfold("export", run.path, "--to", "mlflow", "--out", tmp_path / "m")
    images = random_images()
    answers = pyfunc.load_model(str(tmp_path / "m")).predict({"images": images})
    assert (answers["probabilities"] == Bundle.open(run.path).predict_proba(images)).all()


def test_the_hub_folder_has_a_card_and_is_a_bundle_again(run, tmp_path):
    assert tenfold("export", run.path, "--to", "hub", "--out", tmp_path / "h").code == 0
    _, front, text = (tmp_path / "h" / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["pipeline_tag"] == "image-classification"
    (result,) = card["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == pytest.approx(
        Bundle.open(run.path).manifest.metrics["test accuracy"].value, abs=1e-6
    )
    assert text.lstrip().startswith("# digits")
    config = json.loads((tmp_path / "h" / "config.json").read_text())
    assert config["id2label"] == {str(k): str(k) for k in range(10)}
    images = random_images()
    assert (Bundle.open(tmp_path / "h").predict_proba(images) == Bundle.open(run.path).predict_proba(images)).all()


def test_a_leaked_model_shows_no_figures_to_the_hub(tmp_path):
    run = digits_run(tmp_path / "runs", leaked=True)
    tenfold("export", run.path, "--to", "hub", "--out", tmp_path / "h")
    text = (tmp_path / "h" / "README.md").read_text()
    assert "model-index" not in text
    assert "Leakage" in text


@pytest.mark.parametrize("to", list(TARGETS))
def test_nothing_is_replaced_unasked(run, to, tmp_path):
    out = tmp_path / "taken"
    out.write_text("mine")
    done = tenfold("export", run.path, "--to", to, "--out", out)
    assert done.code == 2
    assert out.read_text() == "mine"


def test_what_cannot_be_meant_is_a_usage_error(run, labelled, tmp_path):
    unknown = tenfold("export", run.path, "--to", "coreml")
    assert unknown.code == 2
    assert "onnx" in unknown.err
    assert tenfold("export", run.path, "--to", "c", "--data", labelled, "--out", tmp_path / "x.h").code == 2
    assert tenfold("export", tmp_path, "--to", "onnx", "--out", tmp_path / "x.onnx").code == 6


def test_class_names_and_recipes_cannot_leave_their_place_in_the_header():
    model = export_onnx([shaken(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))], (1, 2, 2), 2, "mean")
    header = c_header(model, manifest_of(model, (1, 2, 2), 2))
    assert "*/ #error" not in header
    assert r'"\0420\042 \045s \134"' in header
