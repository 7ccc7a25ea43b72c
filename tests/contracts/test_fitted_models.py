"""What holds for every registered model that is fitted at once, whatever it computes."""

import numpy as np
import pytest
import torch

from _digits import digits
from _networks import torch_probabilities
from tenfold.bundle.export import FITTED_TOLERANCE
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import open_session
from tenfold.errors import Stopped
from tenfold.models import MODELS, build
from tenfold.models._fitted import Fitted, Work, apply
from tenfold.training.state import load_weights, weights_of
from tenfold.values.recipe import ModelSettings

SETTINGS: dict[str, dict[str, object]] = {
    "linear": {"C": 10},
    "svm": {"components": 30, "gamma": 0.5},
    "nystroem": {"components": 30, "gamma": 0.01, "landmarks": 300},
}
KINDS = [name for name in MODELS if isinstance(MODELS.get(name), type) and issubclass(MODELS.get(name), Fitted)]


def model(kind: str, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10) -> Fitted:
    built = build(ModelSettings(kind=kind, **SETTINGS.get(kind, {})), shape, classes)
    assert isinstance(built, Fitted)
    return built


@pytest.fixture(scope="module", params=KINDS)
def learnt(request: pytest.FixtureRequest) -> tuple[str, Fitted]:
    """Each kind, fitted on the first 1,000 digits."""
    fitted = model(request.param)
    data = digits()
    fitted.learn(data.images[:1000], data.labels[:1000], Work())
    return request.param, fitted


def test_it_tells_digits_apart_that_it_has_not_seen(learnt: tuple[str, Fitted]) -> None:
    data = digits()
    right = apply(list(learnt[1]), data.images[1000:]).argmax(1) == data.labels[1000:]
    assert right.mean() > 0.93


def test_its_probabilities_are_as_sure_as_it_is_right(learnt: tuple[str, Fitted]) -> None:
    data = digits()
    probabilities = torch_probabilities([learnt[1]], data.images[1000:])
    right = probabilities.argmax(1) == data.labels[1000:]
    assert abs(probabilities.max(1).mean() - right.mean()) < 0.03


def test_its_onnx_graph_says_the_same(learnt: tuple[str, Fitted]) -> None:
    images = digits().images[1000:1200]
    session = open_session(export_onnx([learnt[1]], (1, 8, 8), 10, "mean"), 1)
    assert (
        np.abs(session.run(None, {"images": images})[0] - torch_probabilities([learnt[1]], images)).max()
        < FITTED_TOLERANCE
    )


def test_a_fresh_one_takes_its_weights(learnt: tuple[str, Fitted]) -> None:
    kind, fitted = learnt
    fresh = model(kind)
    weights = weights_of(fitted)
    fresh.take_shapes(weights)
    load_weights(fresh, weights)
    images = digits().images[1000:1100]
    assert np.array_equal(apply(list(fresh), images), apply(list(fitted), images))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_and_seed_give_the_same_bits_with_any_number_of_threads(kind: str) -> None:
    data = digits()
    found = []
    for threads in (1, 2):
        fitted = model(kind)
        fitted.learn(data.images[:300], data.labels[:300], Work(seed=3, threads=threads))
        found.append(weights_of(fitted))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_rows_is_never_the_answer(kind: str) -> None:
    data = digits()
    rows = np.flatnonzero(data.labels != 4)[:300]
    fitted = model(kind)
    fitted.learn(data.images[rows], data.labels[rows], Work())
    answers = apply(list(fitted), data.images[1000:1200])
    assert np.isfinite(answers).all()
    assert not (answers.argmax(1) == 4).any()


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_colour_images_that_are_not_square(kind: str) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int64) % 3
    images = draw.integers(0, 120, (60, 3, 12, 9), dtype=np.uint8)
    for label in range(3):
        images[labels == label, label, 3:9, 3 + label : 6 + label] += 100
    fitted = model(kind, (3, 12, 9), 3)
    fitted.learn(images, labels, Work())
    assert (apply(list(fitted), images).argmax(1) == labels).mean() > 0.9
    session = open_session(export_onnx([fitted], (3, 12, 9), 3, "mean"), 1)
    assert (
        np.abs(session.run(None, {"images": images})[0] - torch_probabilities([fitted], images)).max()
        < FITTED_TOLERANCE
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_how_far_it_is_and_stops_when_asked(kind: str) -> None:
    data = digits()
    heard: list[tuple[str, int, int]] = []

    def stop() -> None:
        raise Stopped("enough")

    work = Work(report=lambda *part: heard.append(part))
    model(kind).learn(data.images[:200], data.labels[:200], work)
    assert heard
    assert all(0 < done <= total for _, done, total in heard)
    with pytest.raises(Stopped, match="enough"):
        model(kind).learn(data.images[:200], data.labels[:200], Work(check_stop=stop))
