import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from _handwriting import digits
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.pens import Hand, written
from tenfold.reading.ink import ink_map, is_bright, otsu, without_edges
from tenfold.reading.lines import cleaned, without_rules

IMAGES, LABELS = digits()


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    "paper",
    [
        Paper(),
        Paper(inverted=True),
        Paper(level=200, darkness=0.35),
        Paper(shadow=0.6),
        Paper(noise=8),
        Paper(texture=0.35),
        Paper(shadow=0.4, texture=0.3, noise=4, blur=0.8),
    ],
    ids=["plain", "inverted", "pale", "shadow", "noise", "texture", "all"],
)
def test_strokes_are_found_on_every_paper(paper: Paper) -> None:
    rng = np.random.default_rng(3)
    shares = []
    for image, label in zip(IMAGES[:12], LABELS[:12].tolist(), strict=True):
        ink = np.pad(written(image, label, Hand(), rng, 80), 20)
        found = cleaned(ink_map(photographed(ink, paper, rng, margin=0)))
        assert found.bright is paper.inverted
        shares.append(overlap(found.mask, ink > 0.5))
    assert np.median(shares) > 0.75
    assert min(shares) > 0.5


def test_ruled_lines_go_and_strokes_that_cross_them_stay() -> None:
    rng = np.random.default_rng(0)
    ink = np.pad(written(IMAGES[1], int(LABELS[1]), Hand(), rng, 80), ((10, 10), (60, 60)))
    ruled = ink.copy()
    ruled[70:72] = 1
    mask = without_rules(ruled > 0.5)
    assert overlap(mask, ink > 0.5) > 0.9
    assert not mask[:, :20].any()


def test_specks_go() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[20:80, 40:50] = 255
    mask[5:8, 5:8] = 255
    assert not cleaned(ink_map(mask)).mask[:10, :10].any()


def test_otsu_parts_two_groups() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.1, 0.02, 900), rng.normal(0.8, 0.05, 100)]).astype(np.float32)
    assert 0.2 < otsu(values) < 0.7
    assert otsu(np.full(5, 0.3, np.float32)) == pytest.approx(0.3)


@pytest.mark.parametrize("turned", [False, True])
def test_the_black_edge_of_a_scan_is_no_ink(turned: bool) -> None:
    page = np.full((60, 200), 190, np.uint8)
    page[15:50, 30:34] = page[15:50, 90:94] = 90
    edged = page.copy()
    edged[:2] = edged[-3:] = 0
    picture = edged.T.copy() if turned else edged
    found = ink_map(picture)
    assert not found.bright
    assert overlap(found.mask.T if turned else found.mask, page < 100) > 0.8


def test_the_bar_of_a_seven_at_the_border_is_no_edge() -> None:
    seven = np.full((40, 30), 230, np.float32)
    seven[:5] = 40
    seven[5:, 18:23] = 40
    np.testing.assert_array_equal(without_edges(seven), seven)


def test_a_single_digit_that_touches_all_borders_has_the_right_polarity() -> None:
    y, x = (np.mgrid[0:16, 0:16] - 7.5) / 7.5
    ring = (np.abs((x**4 + y**4) ** 0.25 - 0.85) < 0.2).astype(np.float32)  # more than half of the border is ink
    assert np.concatenate([ring[0], ring[-1], ring[:, 0], ring[:, -1]]).mean() > 0.5
    assert is_bright(255 * ring, tight=True)
    assert not is_bright(255 * (1 - ring), tight=True)


@pytest.mark.parametrize("below", [4, 1])
@pytest.mark.parametrize("bright", [False, True])
def test_a_digit_on_a_form_s_line_near_the_border_keeps_its_foot_and_the_line_goes(bright: bool, below: int) -> None:
    page = Image.new("L", (220, 52 + below), 200)
    pen = ImageDraw.Draw(page)
    pen.line((0, 51, 220, 51), 120, 2)  # rows 50 and 51
    for left in (20, 80, 140):
        pen.ellipse((left, 10, left + 30, 51), outline=30, width=3)
    grey = np.asarray(page)
    ink = ink_map(255 - grey if bright else grey).ink
    feet = [ink[48:52, left + 12 : left + 19] for left in (20, 80, 140)]
    assert all(foot.max(axis=0).min() > 0.5 for foot in feet)
    beside = np.concatenate([ink[:, :15], ink[:, 60:70], ink[:, 180:]], axis=1)
    assert beside.max() < 0.2
    assert ink[53:].max(initial=0) < 0.2
