"""Whole pages: marks, sheets on tables, turned pages, and the same answer by every door."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from _command_line import tenfold as command
from _handwriting import digits, is_mnist
from lab.lines.kinds import KINDS
from lab.lines.written import Bank
from tenfold.reading import agreement
from tenfold.reading.results import Box, Digit, Line, Mark, Reading
from tenfold.reading.review import check, faults, parse_rule

IMAGES, LABELS = digits()
BANK = Bank.of(IMAGES, LABELS, np.random.default_rng(0), 2)
READER = tenfold.Reader()
needs_mnist = pytest.mark.skipif(not is_mnist(), reason="MNIST is not in the cache")


@needs_mnist
@pytest.mark.parametrize(
    "kind", ["decimals", "dates", "phones", "zeros in a row", "boxes", "turned by 90", "turned by 180", "on a table"]
)
def test_pages_of_each_kind_are_read_with_their_marks(kind: str) -> None:
    right, surely_wrong = 0, 0
    for number in range(3):
        picture, text = KINDS[kind](BANK, np.random.default_rng([53, number]))
        reading = READER.read(picture)
        found = "\n".join(line.label for line in reading.lines)
        right += found == text.replace(" ", "")
        surely_wrong += found != text.replace(" ", "") and all(line.sure for line in reading.lines)
    assert right >= 1
    assert surely_wrong == 0


def decimal() -> tuple[np.ndarray, str]:
    for number in range(20):
        picture, text = KINDS["decimals"](BANK, np.random.default_rng([52, number]))
        if READER.read(picture).text == text:
            return picture, text
    raise AssertionError("no decimal of twenty was read")


@needs_mnist
def test_marks_stand_in_text_boxes_and_json_and_digits_only_leaves_them_out(tmp_path: Path) -> None:
    picture, text = decimal()
    path = tmp_path / "decimal.png"
    Image.fromarray(picture).save(path)
    bare = text.replace(",", "").replace(".", "")
    (line,) = tenfold.read(str(path)).lines
    assert line.text == text and "".join(digit.label for digit in line.digits) == bare
    (mark,) = line.marks
    assert text[mark.place] == mark.label
    before, behind = line.digits[mark.place - 1].box, line.digits[mark.place].box
    assert before.x < mark.box.x < behind.x + behind.width
    assert command("read", path).out == f"{text}\n"
    assert command("read", path, "--digits-only").out == f"{bare}\n"
    (page,) = json.loads(command("read", path, "--format", "json").out)
    assert page["text"] == text
    assert page["lines"][0]["marks"] == [mark.as_dict()]
    rows = list(csv.reader(command("read", path, "--format", "csv").out.splitlines()))
    assert "".join(row[3] for row in rows[1:]) == text


@needs_mnist
def test_two_digits_are_not_turned_round() -> None:
    rng = np.random.default_rng(3)
    for sign in (6, 9):
        rows = np.flatnonzero(LABELS == sign)[:2]
        page = np.pad(np.concatenate(list(IMAGES[rows]), axis=1), 20)
        noisy = (255 - page + rng.normal(0, 3, page.shape)).clip(0, 255).astype(np.uint8)
        assert "".join(line.label for line in READER.read(noisy).lines) == f"{sign}{sign}"


@needs_mnist
@pytest.mark.parametrize("side", [50, 400])
def test_large_photos_are_read_in_as_many_pixels_as_their_digits_need(side: int) -> None:
    page = Image.new("L", (4000, 3000), 235)
    for k, row in enumerate(np.flatnonzero(LABELS == 7)[:4]):
        digit = Image.fromarray(255 - IMAGES[row] // 2).resize((side, side), Image.Resampling.BICUBIC)
        page.paste(digit, (500 + round(1.2 * k * side), 700))
    (line,) = READER.read(np.asarray(page)).lines
    assert line.label == "7777"
    assert 500 < line.box.x < 500 + side and 700 < line.box.y < 700 + side
    assert 0.5 * side < line.box.height < side


@needs_mnist
def test_a_page_of_many_lines_upside_down_is_turned_round() -> None:
    rows = [IMAGES[np.flatnonzero(np.isin(LABELS, [2, 3, 4, 5, 7]))[5 * k : 5 * k + 5]] for k in range(10)]
    page = np.concatenate([np.pad(np.concatenate(list(row), axis=1), ((4, 4), (30, 30))) for row in rows])
    large = np.asarray(Image.fromarray(255 - page[::-1, ::-1]).resize((2 * page.shape[1], 2 * page.shape[0])))
    upright = READER.read(np.ascontiguousarray(large[::-1, ::-1]))
    found = READER.read(large)
    assert len(found.lines) == 10
    assert sum(a.label == b.label for a, b in zip(found.lines, upright.lines, strict=True)) >= 9


def test_a_sign_that_another_text_has_in_between_is_a_doubt() -> None:
    shares = agreement._each((7, 5, 6, 6, 7), [(7, 5, 6, 6, 7), (7, 5, 6, 11, 6, 7)], np.array([0.8, 0.2]))
    np.testing.assert_allclose(shares, [1, 1, 1, 0.8, 1])
    shares = agreement._each((2, 8), [(2, 8), (2, 8, 8)], np.array([0.9, 0.1]))
    assert shares.min() == pytest.approx(0.9)


def sign(label: str, *, rejected: bool = False) -> Digit:
    return Digit(label, 0.9, rejected, False, Box(0, 0, 9, 9), np.zeros(10, np.float32), np.zeros((28, 28), np.uint8))


def test_a_line_says_its_marks_in_their_places_and_whether_one_is_doubtful() -> None:
    marks = (Mark("-", 0.9, False, Box(0, 0, 3, 3), 0), Mark(".", 0.3, True, Box(9, 0, 3, 3), 2))
    line = Line((sign("1"), sign("2"), sign("5")), marks)
    assert (line.text, line.label, line.sure) == ("-12?5", "-12.5", False)
    assert line.confidence == pytest.approx(0.9**4 * 0.3)
    (checked,) = check("a.png", np.zeros((20, 20), np.uint8), Reading((line,), 20, 20))
    assert checked.guess == "-12.5" and checked.faults == ("the mark . behind digit 2 is doubtful",)


@pytest.mark.parametrize(
    ("text", "rule", "kept"),
    [
        ("27/05/2015", "date=DDMMYYYY", True),
        ("30/02/2015", "date=DDMMYYYY", False),
        ("(983)207-5057", "length=10", True),
        ("12.50", "range=1-2000", False),
        ("-17", "range=1-31", False),
        ("17", "range=1-31", True),
        ("-10", "one-of=10|20", False),
        ("1?5", "length=3", False),
    ],
)
def test_rules_know_marks(text: str, rule: str, kept: bool) -> None:
    assert (not faults(text, [parse_rule(rule)])) is kept
