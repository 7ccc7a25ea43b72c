"""The part of a model that one look needs, and what is answered by it alone."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from _networks import random_images, small_network, torch_probabilities
from _service import big_digits
from lab.benchmarks.builtin import sure_from
from tenfold.bundle.export import export_bundle
from tenfold.bundle.inspection import check_model_bytes
from tenfold.bundle.predict import Bundle, first_look, open_session
from tenfold.errors import IntegrityError

MEMBERS = [small_network(1), small_network(2)]


@pytest.fixture
def folder(run, sample):
    reference = torch_probabilities(MEMBERS, sample.images)
    return export_bundle(run, MEMBERS, sample, reference, metrics={}, data_fingerprint="0" * 64)


def softmaxes(folder: Path) -> list[str]:
    """The tensors with each member's probabilities."""
    return [node.output[0] for node in onnx.load(folder / "model.onnx").graph.node if node.op_type == "Softmax"]


def with_first_look(folder: Path, tensor: str, sure: float) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["first_look"] = {"tensor": tensor, "sure": sure, "images": 100}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("number", [0, 1])
def test_the_part_is_a_model_of_its_own_that_says_what_the_tensor_holds(folder, number):
    model = (folder / "model.onnx").read_bytes()
    part = first_look(model, softmaxes(folder)[number])
    check_model_bytes(part)
    onnx.checker.check_model(onnx.load_from_string(part), full_check=True)
    assert len(part) < 0.6 * len(model)  # the other member's layers and weights are not in it
    images = random_images(20)
    said = open_session(part, 1).run(None, {"images": images})[0]
    assert np.abs(said - torch_probabilities([MEMBERS[number]], images)).max() < 1e-5


def test_images_of_which_the_first_look_is_sure_get_no_other(folder):
    images = random_images(300)
    every, first = (torch_probabilities(members, images) for members in (MEMBERS, MEMBERS[:1]))
    middle = float(np.median(first.max(axis=1)))
    bundle = Bundle.open(with_first_look(folder, softmaxes(folder)[0], middle), threads=1)
    sure = first.max(axis=1) >= middle
    assert 100 < sure.sum() < 200
    said = bundle.predict_proba(images, batch=32)
    assert np.abs(said - np.where(sure[:, None], first, every)).max() < 1e-5
    assert np.abs(every - first).max() > 1e-3  # they do differ
    assert np.abs(bundle.predict_proba(images, every_look=True) - every).max() < 1e-5
    assert np.abs(bundle.predict_proba(images[~sure]) - every[~sure]).max() < 1e-5
    assert bundle.predict_proba(images[:0]).shape == (0, 10)


def test_a_bundle_without_a_first_look_looks_at_all(folder):
    bundle, images = Bundle.open(folder, threads=1), random_images(20)
    assert bundle.manifest.first_look is None
    np.testing.assert_array_equal(bundle.predict_proba(images), bundle.predict_proba(images, every_look=True))


def test_another_first_look_is_another_model(folder):
    """So that parts of a table, named after it, are not taken for those of a bundle that answers otherwise."""
    plain = Bundle.open(folder, threads=1).identity
    first, second = softmaxes(folder)
    opened = (
        Bundle.open(with_first_look(folder, *look), threads=1) for look in ((first, 0.9), (second, 0.9), (first, 0.8))
    )
    assert len({plain, *(bundle.identity for bundle in opened)}) == 4


def test_a_tensor_that_is_not_there_or_holds_no_probabilities_is_refused(folder):
    with pytest.raises(IntegrityError, match=r"computes nothing called 'member07\.softmax', which the manifest names"):
        Bundle.open(with_first_look(folder, "member07.softmax", 0.9), threads=1)
    hidden = next(node.output[0] for node in onnx.load(folder / "model.onnx").graph.node if node.op_type == "Conv")
    with pytest.raises(IntegrityError):
        Bundle.open(with_first_look(folder, hidden, 0.9), threads=1)
    logits = next(node.input[0] for node in onnx.load(folder / "model.onnx").graph.node if node.op_type == "Softmax")
    with pytest.raises(IntegrityError, match="the first look is another tensor"):
        Bundle.open(with_first_look(folder, logits, 0.9), threads=1)


@pytest.mark.parametrize("sure", [-0.1, 1.1, "much"])
def test_a_confidence_outside_0_to_1_is_refused(folder, sure):
    with pytest.raises(IntegrityError, match=r"first_look\.sure"):
        Bundle.open(with_first_look(folder, softmaxes(folder)[0], sure), threads=1)


def test_sure_is_where_the_first_look_makes_no_mistake_of_its_own():
    def of(confidences: list[float], classes: list[int]) -> np.ndarray:
        found = np.zeros((len(classes), 3), np.float32)
        found[range(len(classes)), classes] = confidences
        return found

    labels = np.array([0, 1, 2, 2, 9, 9])
    first = of([0.99, 0.95, 0.9034, 0.97, 0.8, 0.96], [0, 0, 0, 0, 1, 2])
    every = of([0.20, 0.90, 0.9, 0.9, 0.4, 0.9], [0, 0, 2, 0, 1, 2])
    # row 0 is right at the first look, rows 1, 3 and 5 are as wrong with every look, row 4 is rejected by every look at
    # 0.5
    assert sure_from(first, every, labels, 0.5) == 0.904
    assert sure_from(first, every, labels, 0.95) == 0.971  # now every look rejects 3 and 5, and 1
    assert sure_from(first[[0]], every[[0]], labels[[0]], 0.5) == 0.0
    assert sure_from(of([1.0], [1]), of([0.9], [0]), np.array([0])) == 1.0


def test_the_recogniser_that_comes_along_is_as_right_at_the_first_look():
    data, bundle = big_digits(), Bundle.open("builtin", threads=1)
    said, every = bundle.predict_proba(data.images), bundle.predict_proba(data.images, every_look=True)
    assert 0.3 < (np.abs(said - every).max(axis=1) > 1e-6).mean()  # answered at the first look, and seen in the shares
    assert (said.argmax(axis=1) == every.argmax(axis=1)).mean() > 0.999
