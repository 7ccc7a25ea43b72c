"""What the dearest small requests cost, in seconds of processor time of this process: cost follows input."""

import json
import time
from collections.abc import Callable

import numpy as np
import pytest

from tenfold.bundle.predict import Bundle
from tenfold.errors import DataError, IntegrityError
from tenfold.reading.normalise import normalise
from tenfold.reading.reader import Reader
from tenfold.service.bodies import json_of
from tenfold.service.observability import Fault
from tenfold.service.work import MOST_DIGITS

SECONDS = 4.0
"""Several times what each takes on a slow core; before the bounds, each took minutes."""


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    try:
        work()
    except (DataError, Fault):
        pass
    return time.process_time() - began


def specks(side: int, size: int, share: float) -> np.ndarray:
    shown = np.random.default_rng(0).random((side // size, side // size)) < share
    return np.where(np.kron(shown, np.ones((size, size))), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Bundle.open("builtin", 1), most_digits=MOST_DIGITS)


@pytest.mark.parametrize(
    "picture",
    [
        specks(60, 1, 0.02),
        specks(100, 1, 0.02),
        specks(400, 1, 0.02),
        specks(600, 1, 0.3),
        specks(600, 6, 0.1),
        specks(600, 3, 0.5),
    ],
    ids=["60", "100", "400", "dense", "large", "half"],
)
def test_specks_do_not_take_a_worker(reader: Reader, picture: np.ndarray) -> None:
    assert seconds(lambda: reader.read(picture)) < SECONDS


def test_a_blank_image_of_the_largest_size_is_reduced_first() -> None:
    assert seconds(lambda: normalise(np.full((4096, 4096), 255, np.uint8))) < 2


def test_a_digit_on_a_large_picture_is_the_same_digit(reader: Reader) -> None:
    small = np.full((560, 560), 255, np.uint8)
    small[100:460, 260:310] = 0
    large = np.kron(small, np.ones((5, 5))).astype(np.uint8)
    (one,), (other,) = reader.recognise(small), reader.recognise(large)
    assert one.label == other.label
    assert [abs(5 * a - b) <= 15 for a, b in zip(one.box.as_list(), other.box.as_list(), strict=True)] == [True] * 4


def test_a_doubled_key_is_found_in_linear_time() -> None:
    pairs = ",".join(f'"k{i}":0' for i in [*range(50_000), 49_999])
    with pytest.raises(Fault, match="'k49999' twice"):
        json_of(f"{{{pairs}}}".encode())
    assert seconds(lambda: json_of(f"{{{pairs}}}".encode())) < 1
    assert json_of(json.dumps({"a": 1}).encode()) == {"a": 1}


@pytest.mark.parametrize("answer", [np.nan, -0.5, 20_791.0, 0.0])
def test_answers_that_are_no_probabilities_are_an_error(monkeypatch: pytest.MonkeyPatch, answer: float) -> None:
    bundle = Bundle.open("builtin", 1)

    class Broken:
        def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full((len(inputs["images"]), len(bundle.class_names)), answer, np.float32)]

    monkeypatch.setattr(bundle, "_session", Broken())
    monkeypatch.setattr(bundle, "_first", None)
    with pytest.raises(IntegrityError, match="no probabilities"):
        bundle.predict_proba(np.zeros((2, 1, 28, 28), np.uint8))
