from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from _networks import small_network, torch_probabilities
from tenfold.bundle.export import check_parity, export_bundle
from tenfold.bundle.manifest import Estimate
from tenfold.bundle.predict import Bundle
from tenfold.errors import IntegrityError
from tenfold.evaluation.calibration import Confidence

METRICS = {"test accuracy": Estimate(value=0.9951, low=0.9935, high=0.9963, images=10_000)}
FINGERPRINT = hashlib.sha256(b"rows").hexdigest()


@pytest.fixture
def members():
    return [small_network(1), small_network(2)]


def test_m11_a_bundle_says_what_the_networks_say(run, sample, members):
    reference = torch_probabilities(members, sample.images)
    folder = export_bundle(run, iter(members), sample, reference, metrics=METRICS, data_fingerprint=FINGERPRINT)
    assert folder == run.path / "bundle"
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", "manifest.json", "model.onnx"]
    probabilities = Bundle.open(folder, threads=1).predict_proba(sample.images)
    assert np.abs(probabilities - reference).max() <= 1e-5
    assert (probabilities.argmax(axis=1) == reference.argmax(axis=1)).all()


def test_the_manifest_says_what_was_trained(run, sample, members):
    reference = torch_probabilities(members, sample.images)
    folder = export_bundle(run, members, sample, reference, metrics=METRICS, data_fingerprint=FINGERPRINT)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "model.onnx").read_bytes()
    assert manifest["model"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["image_shape"] == [1, 8, 8]
    assert manifest["class_names"] == list("0123456789")
    assert manifest["members"] == 2
    assert manifest["parameters"] == 2 * sum(p.numel() for p in members[0].parameters())
    assert manifest["metrics"] == {"test accuracy": {"value": 0.9951, "low": 0.9935, "high": 0.9963, "images": 10_000}}
    assert (manifest["recipe"], manifest["recipe_key"]) == ("small", run.recipe.key())
    assert manifest["data_fingerprint"] == FINGERPRINT
    assert manifest["calibration"] is None
    assert manifest["reject_threshold"] is None


def test_what_held_out_rows_taught_is_in_the_manifest_and_on_the_card(run, sample, members):
    reference = torch_probabilities(members, sample.images)
    taught = Confidence(temperature=1.31, reject_threshold=0.4375, target=0.999, images=3000)
    folder = export_bundle(
        run, members, sample, reference, metrics=METRICS, data_fingerprint=FINGERPRINT, confidence=taught
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["calibration"] == {"temperature": 1.31, "images": 3000}
    assert manifest["reject_threshold"] == 0.4375
    card = (folder / "card.md").read_text()
    assert "1.31, from 3,000 held-out images" in card
    assert "0.4375" in card


def test_the_card_says_how_good_and_what_not_for(run, sample, members):
    reference = torch_probabilities(members, sample.images)
    folder = export_bundle(run, members, sample, reference, metrics=METRICS, data_fingerprint=FINGERPRINT)
    card = (folder / "card.md").read_text()
    for text in (
        "# small",
        "99.51%",
        "99.35% to 99.63%",
        "10,000 images",
        "exactly 8 x 8 pixels",
        "2 networks that vote",
    ):
        assert text in card


def test_a_leak_is_told_on_the_card(run, sample, members):
    reference = torch_probabilities(members, sample.images)
    folder = export_bundle(run, members, sample, reference, metrics=METRICS, data_fingerprint=FINGERPRINT, leaked=True)
    assert "Leakage: test images were among the training images" in (folder / "card.md").read_text()
    assert Bundle.open(folder, threads=1).manifest.leaked


def test_m11_a_disagreeing_model_is_not_published(run, sample, members):
    other = torch_probabilities([small_network(3), small_network(4)], sample.images)
    with pytest.raises(IntegrityError, match="images get another class"):
        export_bundle(run, members, sample, other, metrics={}, data_fingerprint=FINGERPRINT)
    assert not (run.path / "bundle").exists()


def test_parity_allows_rounding_and_nothing_more():
    reference = np.array([[0.6, 0.4], [0.50004, 0.49996]], np.float32)
    check_parity(reference, reference + np.float32(9e-6))
    near_tie = np.array([[0.6, 0.4], [0.499996, 0.500004]], np.float32)
    with pytest.raises(
        IntegrityError, match=r"0 of 2 images get another class, probabilities differ by up to 4\.\de-05"
    ):
        check_parity(reference, near_tie)
    with pytest.raises(IntegrityError, match="1 of 2"):
        check_parity(reference, reference[:, ::-1])
    with pytest.raises(IntegrityError, match="differ by up to nan"):
        check_parity(reference, np.full_like(reference, np.nan))
    with pytest.raises(IntegrityError, match="cannot compare"):
        check_parity(reference[:0], reference[:0])
