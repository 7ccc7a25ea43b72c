import numpy as np
import pytest
from PIL import Image, ImageDraw

from tenfold.reading.results import Box
from tenfold.reading.sheets import View, levelled, on_sheet, without_boxes

SIDES = (300, 220)


def paper() -> Image.Image:
    """A sheet with a zigzag of ink between (60, 90) and (180, 130)."""
    sheet = Image.new("L", SIDES, 225)
    ImageDraw.Draw(sheet).line([(60, 90), (90, 130), (120, 90), (150, 130), (180, 90)], fill=40, width=5)
    return sheet


def on_table(turn: float, grain: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    table = Image.fromarray(
        (70 + grain * np.sin(np.arange(400)[:, None] / 3 + rng.normal(0, 0.2, (400, 520)))).astype(np.uint8)
    )
    sheet = paper().rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor=0)
    mask = Image.new("L", SIDES, 255).rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor=0)
    table.paste(sheet, (90, 70), mask)
    return np.asarray(table)


@pytest.mark.parametrize("turn", [0, 3, -6, 12])
def test_a_sheet_on_a_table_is_cut_out_and_its_places_are_the_pictures(turn: float) -> None:
    picture = on_table(turn)
    view = on_sheet(View.of(picture))
    assert abs(view.grey.shape[0] / view.grey.shape[1] / (SIDES[1] / SIDES[0]) - 1) < 0.06
    assert 0.01 < (view.grey < 100).mean() < 0.05  # ink is there, and no table
    y, x = np.nonzero(view.grey < 120)
    box = view.box(Box(int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1))
    inside = picture[box.y : box.y + box.height, box.x : box.x + box.width]
    assert (inside < 60).sum() > 0.9 * (picture < 45).sum() > 100


@pytest.mark.parametrize("bright", [False, True])
def test_a_page_without_a_table_and_a_bright_digit_on_black_stay_as_they_are(bright: bool) -> None:
    for shape in ([(60, 90), (90, 130), (120, 90)], [(100, 20), (100, 180)]):
        page = Image.new("L", SIDES, 10 if bright else 240)
        ImageDraw.Draw(page).line(shape, fill=250 if bright else 30, width=24)
        view = View.of(np.asarray(page))
        assert on_sheet(view) is view
    ring = Image.new("L", SIDES, 10)
    ImageDraw.Draw(ring).ellipse((60, 20, 220, 200), outline=250, width=25)
    view = View.of(np.asarray(ring))
    assert on_sheet(view) is view


@pytest.mark.parametrize("quarters", range(5))
def test_turned_views_know_where_their_boxes_are(quarters: int) -> None:
    picture = np.full((60, 100), 255, np.uint8)
    picture[10:22, 70:95] = 0
    view = View.of(picture).turned(quarters).turned(-quarters).turned(quarters)
    y, x = np.nonzero(view.grey == 0)
    box = Box(int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1)
    assert view.box(box) == Box(70, 10, 25, 12)


@pytest.mark.parametrize("angle", [-30, -14, 14, 30])
def test_climbing_lines_are_made_level(angle: float) -> None:
    page = Image.new("L", (420, 420), 240)
    pen = ImageDraw.Draw(page)
    for k in range(8):
        pen.ellipse((60 + 38 * k, 190, 84 + 38 * k, 226), outline=20, width=4)
    picture = np.asarray(page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=240))
    view = levelled(View.of(picture), picture < 128)
    rows = np.flatnonzero((view.grey < 128).any(axis=1))
    assert np.ptp(rows) < 55
    straight = View.of(np.asarray(page))
    assert levelled(straight, np.asarray(page) < 128) is straight


@pytest.mark.parametrize("thick", [1, 2, 3])
@pytest.mark.parametrize("comb", [False, True])
def test_boxes_go_and_digits_stay(thick: int, comb: bool) -> None:
    digits = Image.new("1", (460, 120))
    pen = ImageDraw.Draw(digits)
    for k in range(6):
        left = 60 + 56 * k
        if k % 2:
            pen.line([(left + 14, 34), (left + 40, 34), (left + 20, 78)], fill=1, width=4)
        else:
            pen.ellipse((left + 12, 36, left + 42, 80), outline=1, width=4)
    frames = Image.new("1", (460, 120))
    pen = ImageDraw.Draw(frames)
    pen.line((55, 88, 55 + 56 * 6, 88), fill=1, width=thick)
    if not comb:
        pen.line((55, 26, 55 + 56 * 6, 26), fill=1, width=thick)
    for k in range(7):
        pen.line((55 + 56 * k, 66 if comb else 26, 55 + 56 * k, 88), fill=1, width=thick)
    ink, lines = np.asarray(digits), np.asarray(frames)
    left = without_boxes(ink | lines, (ink | lines).astype(np.float32), 40)
    assert (left & ink).sum() > 0.97 * ink.sum()
    assert (left & lines & ~ink).sum() < 0.08 * lines.sum()
    assert (without_boxes(ink, ink.astype(np.float32), 40) == ink).all()
