"""V19 of the reliability list: the served page, drawn on in headless Chromium with a mouse, a finger and keys."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from _browser import CHROMIUM
from _chrome import Chrome
from _command_line import tenfold as tenfold_command
from _networks import shaken, torch_probabilities
from _service import Served, big_digits, png
from _strokes import DIGITS, line, shifted
from tenfold.bundle.export import export_bundle
from tenfold.data.sources import SOURCES
from tenfold.models.network import parse
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]
TOKEN = "correct-horse-battery-staple"
DONE = "document.getElementById('said').innerText"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def served(bundle: Path, kept: Path) -> Iterator[Served]:
    """The bundle that comes along, and another one."""
    with Served("digits=builtin", f"other={bundle}", "--keep", kept) as web:
        yield web


@pytest.fixture(scope="module")
def chrome(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with Chrome(tmp_path_factory.mktemp("chrome")) as opened:
        opened.open(address(served))
        opened.wait("document.querySelectorAll('#shares tr').length === 10")
        yield opened
        assert opened.complaints == []  # no error, and nothing that its policy refused
        assert {
            url
            for url in opened.asked
            if not url.startswith(address(served)) and not url.startswith(("data:", "blob:"))
        } == set()


def address(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}/"


def cleared(chrome: Chrome, mode: str = "one") -> Chrome:
    chrome.run(f"document.querySelector('[data-mode={mode}]').click()")
    chrome.run("document.getElementById('clear').click()")
    chrome.wait(f"!{DONE}")
    return chrome


def drawn(chrome: Chrome, digit: str) -> None:
    for stroke in DIGITS[digit]:
        chrome.stroke(stroke)
    chrome.wait(DONE)


def hand_over(chrome: Chrome, content: str, way: str) -> None:
    """Drop or paste a file with this content, a JavaScript expression."""
    event = {
        "drop": "new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })",
        "paste": "new ClipboardEvent('paste', { clipboardData: data, bubbles: true })",
    }
    chrome.run(
        "(() => { const data = new DataTransfer();"
        f"data.items.add(new File([{content}], 'photo.png', {{ type: 'image/png' }}));"
        f"document.getElementById('paper').dispatchEvent({event[way]}); }})()"
    )


@pytest.mark.parametrize("digit", DIGITS)
def test_v19_a_drawn_digit_is_recognised(chrome: Chrome, digit: str) -> None:
    drawn(cleared(chrome), digit)
    assert chrome.text("label") == digit
    assert chrome.text("said").startswith(f"{digit}. ")  # what a screen reader says
    assert chrome.run("document.querySelector('#shares .top th').textContent") == digit
    for canvas in ("seen", "saliency"):  # where it looks comes after the verdict
        chrome.wait(f"!document.getElementById('{canvas}').getAttribute('aria-label').includes('nothing')")


def test_v19_the_answer_follows_while_one_draws(chrome: Chrome) -> None:
    cleared(chrome)
    left, top, height = chrome.run(
        "(({left, top, height}) => [left, top, height])(document.getElementById('pad').getBoundingClientRect())"
    )
    chrome._mouse("mousePressed", (left + 0.5 * height, top + 0.15 * height))
    for step in range(2, 8):
        chrome._mouse("mouseMoved", (left + 0.5 * height, top + (0.15 + 0.1 * step) * height))
    chrome.wait("document.getElementById('label').innerText === '1'")  # the button is still down
    chrome._mouse("mouseReleased", (left + 0.5 * height, top + 0.85 * height))


def test_v19_undo_and_clear(chrome: Chrome) -> None:
    cleared(chrome)
    assert chrome.run("document.getElementById('undo').disabled && document.getElementById('clear').disabled")
    chrome.stroke(DIGITS["4"][0])
    chrome.stroke(DIGITS["4"][1])
    chrome.wait("document.getElementById('label').innerText === '4'")
    chrome.run("document.getElementById('undo').click()")
    chrome.wait("document.getElementById('label').innerText !== '4'")
    chrome.run("document.getElementById('undo').click()")
    chrome.wait("document.getElementById('label').innerText === ''")
    assert chrome.text("sure") == "Nothing drawn yet"


def test_v19_several_digits_have_boxes_in_reading_order(chrome: Chrome) -> None:
    cleared(chrome, "many")
    for place, digit in enumerate("207"):
        for stroke in shifted(DIGITS[digit], 0.1 + 0.55 * place, 0.8):
            chrome.stroke(stroke)
    chrome.wait("document.querySelectorAll('#boxes span').length === 3")
    chrome.wait("document.getElementById('label').innerText === '207'")
    assert [chrome.run(f"document.querySelectorAll('#several li b')[{i}].textContent") for i in range(3)] == list("207")
    left = [chrome.run(f"document.querySelectorAll('#boxes span')[{i}].getBoundingClientRect().left") for i in range(3)]
    assert left == sorted(left)
    assert chrome.text("said") == "Read: 207"


def test_v19_with_the_keyboard_alone(chrome: Chrome) -> None:
    cleared(chrome)
    chrome.run("document.getElementById('pad').focus()")
    chrome.key("ArrowUp", 14)
    chrome.key(" ")
    chrome.key("ArrowDown", 28)
    chrome.key(" ")
    chrome.wait("document.getElementById('label').innerText === '1'")
    chrome.key("z")
    chrome.wait("document.getElementById('label').innerText === ''")
    assert chrome.run("document.activeElement.id") == "pad"


def test_v19_everything_can_be_reached_and_has_a_name(chrome: Chrome) -> None:
    cleared(chrome)
    nameless = chrome.run(
        "[...document.querySelectorAll('button, input, select, canvas[tabindex]')].filter((e) => e.offsetParent !=="
        " null).filter((e) => !(e.innerText || e.getAttribute('aria-label') || e.labels?.length)).map((e) =>"
        " e.outerHTML)"
    )
    assert nameless == []
    assert chrome.run("document.querySelectorAll('[aria-live], [role=status], [role=alert]').length") >= 2
    assert chrome.run("document.documentElement.lang") == "en"
    assert chrome.run("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_v19_an_image_from_elsewhere(chrome: Chrome, tmp_path: Path, way: str) -> None:
    cleared(chrome)
    page = np.full((200, 300), 235, np.uint8)
    page[60:144, 100:184] = 235 - np.asarray(Image.fromarray(big_digits().images[1302, 0]).resize((84, 84))) // 2
    label = str(big_digits().labels[1302])
    (tmp_path / "photo.png").write_bytes(png(page))
    if way == "choose":
        root = chrome.send("DOM.getDocument")["root"]["nodeId"]
        node = chrome.send("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        chrome.send("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / "photo.png")])
    else:
        content = f"Uint8Array.from(atob({json.dumps(base64.b64encode(png(page)).decode())}), (c) => c.charCodeAt(0))"
        hand_over(chrome, content, way)
    chrome.wait(DONE)
    chrome.wait(f"document.getElementById('label').innerText === '{label}'")


def test_v19_what_is_no_image_is_told(chrome: Chrome) -> None:
    cleared(chrome)
    hand_over(chrome, "'no image'", "drop")
    chrome.wait("!document.getElementById('problem').hidden")
    assert "no image" in chrome.text("problem")


def test_v19_a_correction_becomes_a_data_set(chrome: Chrome, kept: Path) -> None:
    for label, digit in (("7", "7"), ("1", "1")):
        drawn(cleared(chrome), digit)
        chrome.run(f"[...document.querySelectorAll('#labels button')].find((b) => b.textContent === '{label}').click()")
        chrome.wait(f"document.getElementById('kept').innerText.startsWith('Kept as {label}')")
    data = tenfold.load(str(kept))
    assert sorted(data.class_names[k] for k in data.labels.tolist()) == ["1", "7"]
    assert data.images.shape == (2, 1, 28, 28)


def test_v19_a_scribble_is_no_digit(chrome: Chrome) -> None:
    cleared(chrome)
    chrome.stroke(
        line((0.15, 0.2), (0.8, 0.3), (0.2, 0.45), (0.85, 0.55), (0.2, 0.7), (0.8, 0.85), (0.3, 0.15), (0.7, 0.9))
    )
    chrome.wait(DONE)
    assert "Not a digit?" in chrome.text("sure")
    assert chrome.text("label") == "?"


def test_a_palm_beside_the_pen_joins_no_stroke(chrome: Chrome) -> None:
    cleared(chrome)
    found = chrome.run(
        "(() => { const pad = document.getElementById('pad'), box = pad.getBoundingClientRect();"
        "const send = (kind, id, x, y) => pad.dispatchEvent(new PointerEvent(kind, { pointerId: id, bubbles: true,"
        " cancelable: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));"
        "const ink = () => { const c = pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data;"
        " let n = 0; for (let i = 3; i < c.length; i += 4) n += c[i] > 200; return n; };"
        "send('pointerdown', 1, 0.5, 0.2); send('pointermove', 1, 0.5, 0.8); const before = ink();"
        "send('pointerdown', 2, 0.9, 0.9); send('pointermove', 2, 0.1, 0.9); send('pointerup', 2, 0.1, 0.9);"
        "const after = ink(); send('pointermove', 1, 0.5, 0.85); send('pointerup', 1, 0.5, 0.85);"
        "return [before, after, ink()]; })()"
    )
    assert found[0] == found[1] < found[2]
    chrome.wait("document.getElementById('label').innerText === '1'")


def test_a_drawing_can_be_saved(chrome: Chrome) -> None:
    cleared(chrome)
    assert chrome.run("document.getElementById('save').disabled")
    drawn(chrome, "4")
    chrome.run(
        "globalThis.saved = null; HTMLAnchorElement.prototype.click = function () { saved = [this.download,"
        " this.href.split(':')[0]]; }; document.getElementById('save').click()"
    )
    chrome.wait("saved")
    assert chrome.run("saved") == ["drawing.png", "blob"]


def test_an_empty_pad_shows_a_ghost_and_nothing_black(chrome: Chrome) -> None:
    cleared(chrome)
    assert chrome.run("document.querySelectorAll('.looks canvas.none').length") == 2
    alpha = chrome.run(
        "(() => { const c = document.getElementById('pad'); const d = c.getContext('2d').getImageData(0, 0, c.width,"
        " c.height).data; let most = 0; for (let i = 3; i < d.length; i += 4) most = Math.max(most, d[i]);"
        " return most; })()"
    )
    assert 0 < alpha < 60


@pytest.mark.parametrize(("width", "height"), [(740, 360), (320, 640), (390, 844)])
def test_pad_and_answer_are_both_seen_on_a_small_screen(
    served: Served, tmp_path: Path, width: int, height: int
) -> None:
    with Chrome(tmp_path, width=width, height=height, touch=True) as phone:
        phone.open(address(served))
        phone.wait("document.querySelectorAll('#shares tr').length === 10")
        drawn(phone, "3")
        for part in ("pad", "label", "sure"):
            box = phone.run(
                f"(({{top, bottom}}) => [top, bottom])(document.getElementById('{part}').getBoundingClientRect())"
            )
            assert 0 <= box[0] < box[1] <= height
        assert phone.run("document.documentElement.scrollWidth") <= width


@pytest.mark.skipif(SOURCES.get("mnist").cached_in() is None, reason="MNIST is not in the cache")
def test_v19_a_sample_of_mnist(chrome: Chrome) -> None:
    cleared(chrome)
    chrome.wait("document.querySelectorAll('#samples button').length === 10")
    chrome.run("document.querySelector('#samples button').click()")
    chrome.wait("document.getElementById('truth').innerText.startsWith('MNIST says')")
    chrome.wait(DONE)


def test_bars_have_the_names_of_the_model_that_is_chosen(chrome: Chrome) -> None:
    chrome.run("showShares([...'abcdefghij'], {})")
    assert chrome.run("[...document.querySelectorAll('#shares th')].map((e) => e.textContent).join('')") == "abcdefghij"
    chrome.run("(() => { const m = document.getElementById('model'); m.value = 'digits'; m.onchange(); })()")
    assert chrome.run("[...document.querySelectorAll('#shares th')].map((e) => e.textContent).join('')") == "0123456789"


def test_v19_another_model_can_be_chosen(chrome: Chrome) -> None:
    cleared(chrome)
    chrome.run("(() => { const m = document.getElementById('model'); m.value = 'other'; m.onchange(); })()")
    drawn(chrome, "0")
    assert chrome.text("about").startswith("other:")
    chrome.run("(() => { const m = document.getElementById('model'); m.value = 'digits'; m.onchange(); })()")


@pytest.mark.parametrize("dark", [False, True])
def test_v19_on_a_phone(served: Served, tmp_path: Path, dark: bool) -> None:
    with Chrome(tmp_path, width=320, height=640, dark=dark, touch=True) as phone:
        phone.open(address(served))
        phone.wait("document.querySelectorAll('#shares tr').length === 10")
        drawn(phone, "3")
        assert phone.text("label") == "3"
        assert phone.run("document.documentElement.scrollWidth") <= 320
        small = phone.run(
            "[...document.querySelectorAll('button, .button, select')].filter((e) => e.offsetParent !== null)"
            ".filter((e) => e.getClientRects()[0].height < 24).map((e) => e.outerHTML)"
        )
        assert small == []  # WCAG 2.2, 2.5.8
        ground = phone.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
        assert (sum(ground) / 3 < 80) == dark
        phone.picture(tmp_path / "phone.png")
        phone.run("document.getElementById('theme').click()")
        other = phone.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
        assert (sum(other) / 3 < 80) != dark
        assert phone.complaints == []


def test_v19_a_token_is_asked_for(bundle: Path, tmp_path: Path) -> None:
    with Served(bundle, environment={"TENFOLD_TOKEN": TOKEN}) as guarded, Chrome(tmp_path) as chrome:
        chrome.open(address(guarded))
        chrome.wait("!document.getElementById('token-form').hidden")
        chrome.run("document.getElementById('token').value = 'wrong'")
        chrome.run("document.getElementById('token-form').requestSubmit()")
        time.sleep(0.3)
        assert not chrome.run("document.getElementById('token-form').hidden")
        chrome.run(f"document.getElementById('token').value = '{TOKEN}'")
        chrome.run("document.getElementById('token-form').requestSubmit()")
        chrome.wait("document.getElementById('token-form').hidden")
        drawn(chrome, "0")
        assert not any(TOKEN in url for url in chrome.asked)


def test_v19_names_cannot_become_markup(tmp_path: Path) -> None:
    assert tenfold_command("serve", "<img src=x onerror=alert(1)>=builtin", "--port", "0").code == 2
    sample = big_digits().take(range(10))
    evil = "<img src=x onerror=alert(1)>"
    sample = type(sample)(sample.images, sample.labels, sample.ids, (*sample.class_names[:9], evil))
    network = shaken(parse("8C5S2 MP2 FLAT SOFTMAX10", (1, 28, 28), 10))
    run = Run.create(tmp_path, Recipe(name="evil", model=[{"layers": "8C5S2 MP2 FLAT SOFTMAX10"}]))
    reference = torch_probabilities([network], sample.images)
    made = export_bundle(run, [network], sample, reference, metrics={}, data_fingerprint=sample.fingerprint())
    with Served(f"evil={made}") as web, Chrome(tmp_path) as chrome:
        chrome.open(address(web))
        chrome.wait("document.querySelectorAll('#shares tr').length === 10")
        drawn(chrome, "1")
        assert chrome.run("document.querySelectorAll('main img').length") == 0
        assert evil in chrome.run("document.getElementById('shares').textContent")
        assert chrome.complaints == []
