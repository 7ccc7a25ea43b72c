"""The offline page: its network is Python's, its preprocessing nearly so, and it asks for nothing."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _browser import CHROMIUM
from _chrome import Chrome
from _command_line import tenfold
from _networks import shaken, torch_probabilities
from _service import big_digits
from _strokes import DIGITS
from tenfold.bundle.export import export_bundle
from tenfold.bundle.predict import Bundle
from tenfold.data.load import load
from tenfold.data.sources import SOURCES
from tenfold.models.network import parse
from tenfold.reading.normalise import normalise
from tenfold.service.demo import demo_page
from tenfold.service.demo import in_browser as operators_in_browser
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

COMPUTE = """(() => {
  const bytes = Uint8Array.from(atob(%s), (c) => c.charCodeAt(0));
  const { model, manifest } = JSON.parse(document.getElementById("data").textContent);
  const network = new Network(Uint8Array.from(atob(model), (c) => c.charCodeAt(0)));
  const found = [];
  for (let i = 0; i < bytes.length; i += 784) found.push(network.answer(bytes.subarray(i, i + 784), [1, 1, 28, 28], %s));
  return found;
})()"""


def in_browser(chrome: Chrome, images: np.ndarray, *, every_look: bool = False) -> np.ndarray:
    """Probabilities (N, K) as the page that is open computes them."""
    look = "null" if every_look else "manifest.first_look"
    return np.array(chrome.run(COMPUTE % (json.dumps(base64.b64encode(images.tobytes()).decode()), look)))


def thousand() -> np.ndarray:
    """1,000 images: MNIST's if it is in the cache, scikit-learn's digits otherwise."""
    if SOURCES.get("mnist").cached_in() is None:
        return big_digits().images[:1000]
    return load("mnist", "test").images[:1000]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.html"
    done = tenfold("page", "--out", path)
    assert (done.code, done.out.strip()) == (0, str(path))
    return path


@pytest.fixture(scope="module")
def chrome(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Chrome:
    with Chrome(tmp_path_factory.mktemp("chrome")) as opened:
        opened.open(page.as_uri())
        yield opened


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("every_look", [False, True])
def test_browser_and_python_agree(chrome: Chrome, count: int, every_look: bool) -> None:
    images = thousand()[:: 1000 // count]
    python = Bundle.open("builtin").predict_proba(images, every_look=every_look)
    browser = in_browser(chrome, images, every_look=every_look)
    margin = np.sort(python, axis=1)[:, -1] - np.sort(python, axis=1)[:, -2]
    assert len(images) == count
    assert abs(python - browser).max() < 1e-5
    assert (python.argmax(axis=1) == browser.argmax(axis=1))[margin > 1e-4].all()


def test_every_kind_of_layer_is_computed_as_in_python(tmp_path: Path) -> None:
    layers = [
        "8C5S2L BN ELU MP2S1 12C3VL LRELU AP2 16C3L SILU GAP 12L BN RELU SOFTMAX10",
        "DESKEW CROP2 6C3 BN RELU MP3S2 DW3 8C3S2V GMP D20 SOFTMAX10",
    ]
    networks = [shaken(parse(line, (1, 28, 28), 10), seed) for seed, line in enumerate(layers)]
    sample = big_digits().take(range(40))
    for vote in ("mean", "log-mean"):
        recipe = Recipe(name="odd", model=[{"layers": line} for line in layers], ensemble={"members": 2, "vote": vote})
        run = Run.create(tmp_path / vote, recipe)
        reference = torch_probabilities(networks, sample.images)
        if vote == "log-mean":
            logs = np.mean(
                [np.log(np.maximum(torch_probabilities([n], sample.images), 1e-12)) for n in networks], axis=0
            )
            reference = (np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)).astype(np.float32)
        bundle = export_bundle(run, networks, sample, reference, metrics={}, data_fingerprint=sample.fingerprint())
        (tmp_path / "page.html").write_text(demo_page(bundle))
        (tmp_path / vote / "chrome").mkdir()
        with Chrome(tmp_path / vote / "chrome") as chrome:
            chrome.open((tmp_path / "page.html").as_uri())
            assert (
                abs(in_browser(chrome, sample.images) - Bundle.open(bundle).predict_proba(sample.images)).max() < 1e-5
            )


def test_what_python_lets_in_is_what_the_page_computes(chrome: Chrome) -> None:
    assert set(chrome.run("Object.keys(OPERATORS)")) == operators_in_browser()


@pytest.mark.parametrize(
    "digit", [each if each in "059" else pytest.param(each, marks=pytest.mark.slow) for each in DIGITS]
)
def test_a_drawn_digit_is_seen_as_python_sees_it(chrome: Chrome, digit: str) -> None:
    chrome.run("document.getElementById('clear').click()")
    for stroke in DIGITS[digit]:
        chrome.stroke(stroke)
    chrome.wait("document.getElementById('said').innerText")
    # the canvas itself, through its PNG: pad is the page's own
    found = chrome.run(
        "(() => { const c = document.getElementById('pad'); const w = document.createElement('canvas');"
        "Object.assign(w, {width: c.width, height: c.height}); const x = w.getContext('2d');"
        "x.fillStyle = '#fff'; x.fillRect(0, 0, w.width, w.height); x.drawImage(c, 0, 0);"
        "return [w.toDataURL(), Array.from(frame(inkOf(w)))]; })()"
    )
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[0].split(",")[1]))).convert("L"))
    browser, python = np.array(found[1]).reshape(28, 28), normalise(picture).astype(int)
    assert abs(browser - python).mean() < 4
    assert chrome.text("label") == digit


def test_the_verdict_waits_for_no_saliency_and_a_new_stroke_ends_it(chrome: Chrome) -> None:
    count = (
        "const run = Network.prototype.run; Network.prototype.run = function (...a) { looks++; return run.apply(this,"
        " a); };"
    )
    chrome.run(f"globalThis.looks = 0; {{ {count} }}")
    chrome.run("document.getElementById('clear').click()")
    chrome.stroke(DIGITS["0"][0])
    chrome.wait("document.getElementById('said').innerText")
    until_verdict = chrome.run("looks")
    chrome.run("document.getElementById('clear').click()")
    chrome.run("new Promise((done) => setTimeout(done, 300))")
    after = chrome.run("looks")
    chrome.run("new Promise((done) => setTimeout(done, 500))")
    assert (chrome.text("said"), chrome.run("looks")) == ("", after)  # nothing is computed about what is gone
    chrome.stroke(DIGITS["0"][0])
    chrome.wait("document.getElementById('saliency').getAttribute('aria-label').match(/looks: [^n]/)", 60)
    assert chrome.run("looks") - after > until_verdict + 40  # with where it looks


def test_the_page_is_whole_by_itself(chrome: Chrome, page: Path) -> None:
    chrome.wait("document.getElementById('about').innerText.includes('does not leave')")
    assert {url for url in chrome.asked if not url.startswith("data:")} == {page.as_uri()}
    assert chrome.complaints == []
    assert page.stat().st_size < 1_000_000


def test_a_name_cannot_become_markup(tmp_path: Path) -> None:
    sample = big_digits().take(range(10))
    evil = "</script><img src=x onerror=alert(1)>"
    sample = type(sample)(sample.images, sample.labels, sample.ids, (*sample.class_names[:9], evil))
    network = shaken(parse("8C5S2 MP2 FLAT SOFTMAX10", (1, 28, 28), 10))
    run = Run.create(tmp_path, Recipe(name="evil", model=[{"layers": "8C5S2 MP2 FLAT SOFTMAX10"}]))
    reference = torch_probabilities([network], sample.images)
    bundle = export_bundle(run, [network], sample, reference, metrics={}, data_fingerprint=sample.fingerprint())
    (tmp_path / "page.html").write_text(demo_page(bundle))
    with Chrome(tmp_path) as chrome:
        chrome.open((tmp_path / "page.html").as_uri())
        chrome.wait("document.querySelectorAll('#shares tr').length === 10")
        assert chrome.run("document.querySelectorAll('#shares img').length") == 0
        assert evil in chrome.run("document.getElementById('shares').textContent")
        assert chrome.complaints == []


def test_bundles_that_the_page_cannot_show(tmp_path: Path) -> None:
    from _bundles import digits_run

    done = tenfold("page", digits_run(tmp_path).path, "--out", tmp_path / "x.html")
    assert (done.code, "28 x 28" in done.err) == (2, True)
    assert not (tmp_path / "x.html").exists()
    assert tenfold("page", "--out", tmp_path / "y.html").code == 0
    assert tenfold("page", "--out", tmp_path / "y.html").code == 2
