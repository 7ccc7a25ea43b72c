import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import tenfold
from _handwriting import digits, is_mnist, on_page
from lab.synthesis import glyphs
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.pens import Hand
from lab.synthesis.strings import write_string
from tenfold.bundle.predict import Bundle
from tenfold.errors import UsageError
from tenfold.reading.normalise import frame
from tenfold.reading.reader import Reader

IMAGES, LABELS = digits()
READER = Reader()
needs_mnist = pytest.mark.skipif(not is_mnist(), reason="MNIST is not in the cache")


def line(rng: np.random.Generator, count: int = 5, **options: object) -> tuple[np.ndarray, str]:
    rows = rng.integers(0, len(IMAGES), count)
    written = write_string(IMAGES[rows], LABELS[rows], rng, **options)  # type: ignore[arg-type]
    return written.ink, written.text


@needs_mnist
def test_single_digits_anywhere_on_pages_of_any_size() -> None:
    rng = np.random.default_rng(0)
    right = 0
    for k in range(200):
        side = int(rng.integers(24, 120))
        height, width = (int(v) for v in rng.integers(max(side, 40), 201, 2))
        x, y = int(rng.choice([0, width - side])), int(rng.choice([0, height - side]))
        page = on_page(IMAGES[k], (height, width), side, x, y, dark=bool(k % 2))
        right += READER.recognise(page)[0].label == str(LABELS[k])
    assert right >= 197


@needs_mnist
def test_strings_are_read_whole() -> None:
    rng = np.random.default_rng(1)
    right = 0
    for _ in range(40):
        ink, text = line(rng, int(rng.integers(2, 7)), closeness=(0.05, 0.3), marks=0.0)
        picture = photographed(ink, Paper(noise=3), rng)
        right += "".join(d.label for each in READER.read(picture).lines for d in each.digits) == text
    assert right >= 34


def test_lines_come_from_top_to_bottom_with_boxes_where_the_ink_is() -> None:
    rng = np.random.default_rng(2)
    page = np.zeros((300, 500), np.float32)
    places = [(20, 30), (130, 60), (230, 10)]
    for top, left in places:
        ink, _ = line(rng, 3, closeness=(0.3, 0.4), marks=0.0)
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    reading = READER.read(photographed(page, Paper(), rng, margin=0))
    assert len(reading.lines) == 3
    for found, (top, left) in zip(reading.lines, places, strict=True):
        assert abs(found.box.y - top) < 15
        assert abs(found.box.x - left) < 15
        x = [digit.box.x for digit in found.digits]
        assert x == sorted(x)
    inside = np.zeros(page.shape, bool)
    for digit in (d for found in reading.lines for d in found.digits):
        box = digit.box
        inside[max(0, box.y - 2) : box.y + box.height + 2, max(0, box.x - 4) : box.x + box.width + 4] = True
    assert page[inside].sum() > 0.95 * page.sum()


def test_nothing_on_the_page_is_no_line() -> None:
    reading = READER.read(np.full((60, 90), 240, np.uint8))
    assert reading.blank
    assert reading.text == ""
    (digit,) = READER.recognise(np.full((60, 90), 240, np.uint8))
    assert digit.blank and digit.rejected and digit.text == ""


def test_the_answer_is_plain_json() -> None:
    ink, _ = line(np.random.default_rng(3), 3)
    answer = READER.read(photographed(ink, Paper(), np.random.default_rng(0))).as_dict()
    assert json.loads(json.dumps(answer)) == answer


def test_a_threshold_above_all_rejects_all() -> None:
    ink, _ = line(np.random.default_rng(3), 3, marks=0.0)
    reading = Reader(READER.bundle, threshold=1.0).read(photographed(ink, Paper(), np.random.default_rng(0)))
    assert set(reading.text) == {"?"}
    assert not reading.lines[0].sure
    with pytest.raises(UsageError, match=r"1\.5"):
        Reader(READER.bundle, threshold=1.5)


def test_read_from_python_in_one_call(tmp_path: Path) -> None:
    from PIL import Image

    ink, _ = line(np.random.default_rng(3), 3)
    path = tmp_path / "note.png"
    Image.fromarray(photographed(ink, Paper(), np.random.default_rng(0))).save(path)
    assert tenfold.read(path).text == READER.read(path).text


def test_the_bundle_that_comes_along_is_small_and_whole() -> None:
    import tenfold.bundle

    folder = Path(tenfold.bundle.__file__).parent / "builtin"
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 600_000
    assert {"model.onnx", "manifest.json", "card.md"} <= {file.name for file in folder.iterdir()}
    assert Bundle.open("builtin").manifest.recipe == "builtin"
    assert tenfold.load_recipe(folder / "builtin.toml") == tenfold.load_recipe("builtin")


def test_what_is_no_digit_is_rejected() -> None:
    rng = np.random.default_rng(21)
    noise = rng.integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)
    assert (READER.bundle.predict_proba(noise).max(axis=1) < READER.threshold).mean() >= 0.97
    grains = np.stack([frame(kind(rng)) for kind in (glyphs.noise, glyphs.cloth) for _ in range(100)])[:, None]
    assert (READER.bundle.predict_proba(grains).max(axis=1) < READER.threshold).mean() >= 0.97
    scribbles = np.stack([frame(glyphs.scribble(rng)) for _ in range(200)])[:, None]
    assert (READER.bundle.predict_proba(scribbles).max(axis=1) < READER.threshold).mean() >= 0.93
    photos = [rng.normal(128, 60, (64, 64)).clip(0, 255).astype(np.uint8) for _ in range(20)]
    assert all(digit.rejected for digit in READER.recognise(*photos))


@needs_mnist
def test_clean_digits_are_kept() -> None:
    assert READER.threshold > 0.3
    assert (READER.bundle.predict_proba(IMAGES[:, None]).max(axis=1) >= READER.threshold).mean() >= 0.99


@needs_mnist
@pytest.mark.parametrize(
    "hand",
    [Hand(pen=-1.5), Hand(pen=0.8), Hand(slant=0.4), Hand(slant=-0.35), Hand(european=True)],
    ids=["thin", "thick", "italic", "leaning back", "european"],
)
def test_pens_and_slants(hand: Hand) -> None:
    rng = np.random.default_rng(4)
    right = 0
    for _ in range(25):
        ink, text = line(rng, 4, hand=hand, closeness=(0.1, 0.3), marks=0.0)
        found = READER.read(photographed(ink, Paper(noise=3), rng))
        right += "".join(d.label for each in found.lines for d in each.digits) == text
    assert right >= 19


@pytest.mark.parametrize("thick", [3, 5])
@pytest.mark.parametrize("foot", [(18, 40), (14, 50), (8, 58), (4, 68), (16, 69)])
def test_a_one_with_a_long_upstroke_is_a_one(foot: tuple[int, int], thick: int) -> None:
    page = Image.new("L", (220, 90), 255)
    pen = ImageDraw.Draw(page)
    for left in (20, 140):
        pen.line((left + foot[0], 10 + foot[1], left + 40, 12, left + 42, 80), 0, thick, joint="curve")
    pen.ellipse((90, 12, 130, 78), outline=0, width=thick)
    assert "".join(digit.label for digit in READER.read(np.asarray(page)).lines[0].digits) == "101"


def test_noughts_that_hang_together_are_no_dash() -> None:
    page = Image.new("L", (260, 80), 255)
    pen = ImageDraw.Draw(page)
    pen.line((20, 10, 20, 70), 0, 5)
    for k in range(5):
        pen.ellipse((40 + 38 * k, 38, 80 + 38 * k, 70), outline=0, width=5)
    assert len(READER.read(np.asarray(page)).lines[0].digits) >= 5
