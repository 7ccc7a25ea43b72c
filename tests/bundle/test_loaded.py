from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from _bundles import digits, digits_run
from _networks import random_images, small_network, torch_probabilities
from tenfold.bundle.export import export_bundle
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import Bundle
from tenfold.errors import DataError, IntegrityError


@pytest.fixture
def folder(run, sample):
    members = [small_network(1), small_network(2)]
    reference = torch_probabilities(members, sample.images)
    return export_bundle(run, members, sample, reference, metrics={}, data_fingerprint="0" * 64)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest as an attacker would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def replace_model(folder: Path, content: bytes) -> None:
    """Change the model with a manifest to match."""
    (folder / "model.onnx").write_bytes(content)
    rewrite(folder, model={"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})


def test_r08_the_batch_does_not_change_the_answer(folder):
    bundle = Bundle.open(folder, threads=1)
    images = random_images(300, seed=5)
    whole = bundle.predict_proba(images, batch=256)
    for batch in (1, 7, 32):
        probabilities = bundle.predict_proba(images, batch=batch)
        assert (probabilities.argmax(axis=1) == whole.argmax(axis=1)).all()
        assert np.abs(probabilities - whole).max() <= 1e-6
    shuffled = np.random.default_rng(1).permutation(300)
    assert np.abs(bundle.predict_proba(images[shuffled]) - whole[shuffled]).max() <= 1e-6


def test_a_bundle_from_before_calibration_still_opens(folder, sample):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["calibration"], manifest["reject_threshold"]) == (None, None)  # what older ones hold
    bundle = Bundle.open(folder, threads=1)
    said = bundle.predict_proba(sample.images)
    assert bundle.calibrated(said) is said
    assert bundle.is_sure(said).all()


def test_calibration_and_threshold_act_on_what_the_model_says(folder, sample):
    rewrite(folder, calibration={"temperature": 2.0, "images": 100}, reject_threshold=0.2)
    bundle = Bundle.open(folder, threads=1)
    said = bundle.predict_proba(sample.images)
    np.testing.assert_array_equal(bundle.is_sure(said), said.max(axis=1) >= 0.2)
    roots = np.sqrt(said.astype(np.float64))
    np.testing.assert_allclose(bundle.calibrated(said), roots / roots.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_run_opens_like_its_bundle(folder, run, sample):
    inside, direct = Bundle.open(run.path, threads=1), Bundle.open(str(folder), threads=1)
    np.testing.assert_array_equal(inside.predict_proba(sample.images), direct.predict_proba(sample.images))
    assert repr(inside) == "Bundle('small', 2 member(s), (1, 8, 8) uint8 -> 10 classes)"


def test_predictions_keep_ids_and_labels(folder, sample):
    labelled = replace(sample, labels=np.arange(64) % 10)
    predictions = Bundle.open(folder, threads=1).predict(labelled)
    np.testing.assert_array_equal(predictions.ids, sample.ids)
    np.testing.assert_array_equal(predictions.labels, labelled.labels)
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-6)


def test_no_images_give_no_predictions(folder):
    assert Bundle.open(folder, threads=1).predict_proba(random_images(0)).shape == (0, 10)


def test_m08_images_of_another_shape_are_refused(folder, sample):
    bundle = Bundle.open(folder, threads=1)
    with pytest.raises(IntegrityError, match=r"the images are 1x9x9 .* this model was trained on 1x8x8"):
        bundle.predict(replace(sample, images=random_images(size=9)))
    with pytest.raises(DataError, match=r"images of \(1, 9, 9\) .* expected \(1, 8, 8\)"):
        bundle.predict_proba(random_images(size=9))
    np.testing.assert_array_equal(bundle.predict_proba(sample.images / 255), bundle.predict_proba(sample.images))


def test_m08_f03_labels_that_mean_other_classes_are_refused(folder, sample):
    letters = replace(sample, labels=np.zeros(64, np.int64), class_names=tuple("abcdefghij"))
    with pytest.raises(IntegrityError, match=r"classes a, b, c.*; this model was trained on 0, 1, 2"):
        Bundle.open(folder, threads=1).predict(letters)


def test_m04_one_flipped_bit_is_noticed(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256 differs from manifest"):
        Bundle.open(folder)


def test_m04_another_length_is_noticed_without_reading(folder):
    with (folder / "model.onnx").open("ab") as file:
        file.truncate(10 << 30)
    with pytest.raises(IntegrityError, match=r"found 10,737,418,240 bytes"):
        Bundle.open(folder)


MANIFESTS = {
    "not json": (b"format_version = 1", "not readable JSON"),
    "deep": (b"[" * 100_000, "not readable JSON"),
    "not utf-8": (b'{"a": "\xff"}', "not readable JSON"),
    "a list": (b"[]", "found a JSON list"),
    "no version": (b"{}", "found format_version None"),
    "text for version": (b'{"format_version": "1"}', "found format_version '1', expected 1"),
    "newer": (
        b'{"format_version": 7, "tenfold": "9.1.0"}',
        r"found format_version 7, expected 1 .*tenfold 9\.1\.0 wrote it",
    ),
    "fields missing": (b'{"format_version": 1}', "not a bundle's manifest - .*image_shape: Field required"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_m07_damaged_manifests_are_refused(folder, name):
    content, reason = MANIFESTS[name]
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=reason):
        Bundle.open(folder)


def test_m07_a_huge_manifest_is_not_read(folder):
    with (folder / "manifest.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(IntegrityError, match="found 1,073,741,824 bytes"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_shape": [1, -8, 8]},
        {"image_shape": [1, 8, 8_000_000]},
        {"class_names": ["only"]},
        {"preprocessing": "divided by 127.5, minus one"},
        {"vote": "majority"},
        {"temperature": 2.0},
        {"calibration": {"temperature": 2.0}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_m07_m08_settings_that_this_release_does_not_know_are_refused(folder, changes):
    rewrite(folder, **changes)
    with pytest.raises(IntegrityError, match=f"not a bundle's manifest - {next(iter(changes))}"):
        Bundle.open(folder)


def test_m07_a_missing_manifest_or_model_is_told(folder, run, tmp_path):
    (folder / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"model\.onnx is missing"):
        Bundle.open(folder)
    (folder / "manifest.json").unlink()
    for path in (folder, run.path, tmp_path / "nowhere"):
        with pytest.raises(IntegrityError, match="holds no bundle"):
            Bundle.open(path)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_m01_a_pickle_named_model_onnx_is_refused_and_not_run(folder, tmp_path):
    replace_model(folder, pickle.dumps(Canary(tmp_path / "canary")))
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        Bundle.open(folder)
    assert not (tmp_path / "canary").exists()


def test_m09_external_data_is_refused(folder):
    model = onnx.load(folder / "model.onnx")
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../recipe.toml")
    replace_model(folder, model.SerializeToString())
    with pytest.raises(IntegrityError, match="field 13 in a tensor"):
        Bundle.open(folder)


def test_m09_a_symbolic_link_is_refused(folder, tmp_path):
    (folder / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(IntegrityError, match="symbolic link"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    "model",
    [
        lambda: export_onnx([small_network(size=10)], (1, 10, 10), 10, "mean"),
        lambda: export_onnx([small_network(classes=7)], (1, 8, 8), 7, "mean"),
    ],
    ids=["images", "classes"],
)
def test_m10_another_signature_than_the_manifest_says_is_refused(folder, model):
    replace_model(folder, model())
    with pytest.raises(IntegrityError, match="found the signature"):
        Bundle.open(folder)


def test_m10_a_graph_that_makes_no_sense_is_refused(folder):
    model = onnx.load(folder / "model.onnx")
    del model.graph.initializer[1]
    replace_model(folder, model.SerializeToString())
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        Bundle.open(folder)


def changed(folder: Path, change) -> None:
    model = onnx.load(folder / "model.onnx")
    change(model.graph)
    replace_model(folder, model.SerializeToString())


def infinite_weights(graph):
    tensor = graph.initializer[1]
    tensor.raw_data = np.full(list(tensor.dims), np.inf, np.float32).tobytes()


def endless_padding(graph):
    convolution = next(node for node in graph.node if node.op_type == "Conv")
    pads = next(a for a in convolution.attribute if a.name == "pads")
    pads.ints[:] = [1 << 40] * 4


def no_softmax(graph):
    for node in graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Relu"
            del node.attribute[:]


@pytest.mark.parametrize("change", [infinite_weights, endless_padding, no_softmax], ids=lambda change: change.__name__)
def test_m05_m10_a_model_that_cannot_answer_is_refused_at_the_start(folder, change):
    changed(folder, change)
    with pytest.raises(IntegrityError, match=r"model\.onnx (cannot|answers)"):
        Bundle.open(folder)


def test_predicting_needs_neither_torch_nor_onnx(folder):
    program = (
        "import sys; from tenfold.bundle.predict import Bundle; import numpy as np\n"
        "bundle = Bundle.open(sys.argv[1], threads=1)\n"
        "assert bundle.predict_proba(np.zeros((3, 1, 8, 8), np.uint8)).shape == (3, 10)\n"
        "print(sorted({'torch', 'onnx', 'sklearn', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_r05_two_threads_say_the_same_run_after_run(tmp_path: Path) -> None:
    run = digits_run(tmp_path)
    images = digits().images[:300]
    first, again = (Bundle.open(run.path, threads=2).predict_proba(images) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - Bundle.open(run.path, threads=1).predict_proba(images)).max() <= 1e-6
