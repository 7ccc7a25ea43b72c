"""What the dearest requests cost, in seconds of processor time of this process: cost follows input.

The first table of docs/threats.md has the figures of an idle core; SECONDS leaves room for a busy one.
"""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from _service import form
from tenfold.bundle.predict import Bundle
from tenfold.errors import DataError, IntegrityError
from tenfold.reading.normalise import normalise
from tenfold.reading.reader import Reader
from tenfold.service.bodies import json_of
from tenfold.service.observability import Fault
from tenfold.service.work import MOST_DIGITS, Model, Workshop
from tenfold.service.worker import answers_to

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


JSON, PNG = "application/json", "image/png"
Request = tuple[str, str, bytes]
"""Kind, content type, body."""
NOISE = np.random.default_rng(0).integers(0, 256, (4096, 4096), dtype=np.uint8)


@pytest.fixture(scope="module")
def shop() -> Workshop:
    made = Workshop({"digits": Model("digits", Bundle.open("builtin", 1))}, 256, None)
    cost(made, ("predict", PNG, encoded(NOISE[:28, :28])))  # what is loaded once is not the request's
    return made


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind)
    return content.getvalue()


def cost(shop: Workshop, request: Request) -> tuple[float, int]:
    """Seconds of processor time, and the status of the answer."""
    kind, content_type, body = request
    job = {"kind": kind, "model": "digits", "content_type": content_type, "show": [], "header_bytes": None}
    began = time.process_time()
    ((status, _),) = answers_to(shop.kinds, [job], [body])
    return time.process_time() - began, status


def many(image: bytes, count: int = 256) -> tuple[str, bytes]:
    body, content_type = form(*[("images", image)] * count)
    return content_type, body


DEAREST: dict[str, Callable[[], Request]] = {
    "a blank PNG of 4096 x 4096": lambda: ("predict", PNG, encoded(np.full((4096, 4096), 255, np.uint8))),
    "noise, PNG of 3990 x 3990": lambda: ("predict", PNG, encoded(NOISE[:3990, :3990])),
    "noise, JPEG of 4096 x 4096": lambda: ("predict", "image/jpeg", encoded(NOISE, "JPEG")),
    "noise, WEBP of 1773 x 1773": lambda: ("predict", "image/webp", encoded(NOISE[:1773, :1773], "WEBP")),
    "two colours, GIF of 4096 x 4096": lambda: ("predict", "image/gif", encoded(NOISE & 1, "GIF")),
    "256 images of specks": lambda: ("predict", *many(encoded(specks(256, 1, 0.3)))),
    "256 small images": lambda: ("predict", *many(encoded(NOISE[:28, :28]))),
    "levels that are none": lambda: ("predict", JSON, levels("300", 900)),
    "millions of levels": lambda: ("predict", JSON, levels("0", 700)),
    "a million keys": lambda: ("predict", JSON, b"{%s}" % b",".join(b'"%d":0' % k for k in range(1_000_000))),
    "millions of empty lists": lambda: ("predict", JSON, b"[%s[]]" % (b"[]," * 5_000_000)),
    "a tensor of 3 million": lambda: ("infer", JSON, tensor(2_900_000)),
    "a blank page of 4096 x 4096": lambda: ("read", PNG, encoded(np.full((4096, 4096), 255, np.uint8))),
    "a page of noise": lambda: ("read", PNG, encoded(NOISE[:3990, :3990])),
    "a page of specks": lambda: ("read", PNG, encoded(specks(4096, 1, 0.02))),
    "256 pages of specks": lambda: ("read", *many(encoded(specks(100, 1, 0.02)))),
    "a page of stripes": lambda: ("read", PNG, encoded(np.tile(NOISE[:1] & 128, (4096, 1)))),
}


def levels(value: str, rows: int) -> bytes:
    row = f"[{','.join([value] * 4096)}]"
    return f'{{"image": {{"pixels": [{",".join([row] * rows)}]}}}}'.encode()


def tensor(count: int) -> bytes:
    made = {"name": "images", "shape": [256, 1, 28, 28], "datatype": "UINT8", "data": [0] * count}
    return json.dumps({"inputs": [made]}).encode()


@pytest.mark.parametrize("request_", DEAREST.values(), ids=DEAREST)
def test_the_dearest_requests_of_each_kind(shop: Workshop, request_: Callable[[], Request]) -> None:
    taken, status = cost(shop, request_())
    assert taken < SECONDS
    assert status != 500


def made_up(rng: np.random.Generator) -> Request:
    """A request that may be dear for its size."""
    if rng.random() < 0.2:
        pieces = [b"[", b"]", b"{", b"}", b",", b":", b'"a"', b"0", b"-1e9", b'"' + b"\\u0000" * 9, b"null"]
        chosen = rng.integers(0, len(pieces), int(rng.integers(1, 60)))
        return "predict", JSON, b"".join(pieces[i] for i in chosen) * int(rng.integers(1, 2_000))
    side = int(2 ** rng.uniform(3, 12))
    size = int(rng.integers(1, 1 + max(1, side // 8)))
    image = specks(side, size, float(rng.random() ** 2))
    if rng.random() < 0.3:
        image = image[:: int(rng.integers(1, 4))] & rng.integers(0, 256, dtype=np.uint8)
    kind = "read" if rng.random() < 0.6 else "predict"
    if side < 200 and rng.random() < 0.2:
        return (kind, *many(encoded(image), int(rng.integers(1, 257))))
    file = str(rng.choice(["PNG", "JPEG", "GIF", "BMP", "WEBP"]))
    body = bytearray(encoded(image, file))
    if rng.random() < 0.1:
        body[int(rng.integers(len(body)))] ^= 1 << int(rng.integers(8))
    return kind, f"image/{file.lower()}", bytes(body)


def requests(seconds: float) -> Iterator[Request]:
    end, rng = time.monotonic() + seconds, np.random.default_rng(31)
    while time.monotonic() < end:
        yield made_up(rng)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_search_for_dear_requests_finds_none(shop: Workshop, seconds: float) -> None:
    worst: tuple[float, int, str] = (0.0, 0, "")
    for request in requests(seconds):
        taken, status = cost(shop, request)
        assert status != 500
        worst = max(worst, (taken, len(request[2]), request[0]))
    print("dearest: {:.2f} s for {:,} bytes, {}".format(*worst))
    assert worst[0] < SECONDS, base64.b64encode(request[2])[:200]
