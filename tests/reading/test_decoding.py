"""Which cuts are taken, given what the recogniser says."""

from dataclasses import replace

import numpy as np

from tenfold.reading.lines import HEIGHT, slant
from tenfold.reading.normalise import sheared
from tenfold.reading.reader import Reader
from tenfold.reading.segmentation import DEFAULT_COSTS, Costs, Seams, Segment, best_path, find_seams, find_segments

EMPTY = np.zeros((28, 28), np.uint8)


def segment(first: int, last: int, width: float = 0.6, height: float = 1.0, mass: float = 300, gap: int = 0) -> Segment:
    return Segment(first, last, EMPTY, 0, 0, round(width * HEIGHT), round(height * HEIGHT), mass, gap)


def seams(count: int, cost: float = 0.0) -> Seams:
    none = np.zeros((count, HEIGHT), np.int64)
    return Seams(none, np.array([0.0, *[cost] * (count - 2), 0.0]), none)


def saying(*confidences: float) -> np.ndarray:
    """(N, 10) of which the first class has these."""
    rest = [[c, *[(1 - c) / 9] * 9] for c in confidences]
    return np.array(rest, np.float32)


WHOLE, LEFT, RIGHT = segment(0, 2), segment(0, 1, 0.3), segment(1, 2, 0.3)


def test_the_recogniser_decides_between_the_whole_and_its_parts() -> None:
    segments = [LEFT, WHOLE, RIGHT]
    assert best_path(seams(3), segments, saying(0.3, 0.99, 0.3)) == [1]
    assert best_path(seams(3), segments, saying(0.99, 0.3, 0.99)) == [0, 2]


def test_a_cut_through_ink_must_be_worth_it() -> None:
    segments = [LEFT, WHOLE, RIGHT]
    sure = saying(0.97, 0.7, 0.97)
    assert best_path(seams(3, 0.0), segments, sure) == [0, 2]
    assert best_path(seams(3, 20.0), segments, sure) == [1]


def test_two_digits_must_be_surer_than_one() -> None:
    segments, alike = [LEFT, WHOLE, RIGHT], saying(0.99, 0.98, 0.99)
    assert best_path(seams(3), segments, alike, Costs(each=0)) == [0, 2]
    assert best_path(seams(3), segments, alike, Costs(each=0.05)) == [1]


def test_what_is_small_and_no_digit_is_left_out() -> None:
    dot = segment(1, 2, 0.1, 0.15, 20)
    assert best_path(seams(3), [segment(0, 1), dot], saying(0.99, 0.2)) == [0]
    assert best_path(seams(3), [segment(0, 1), replace(dot, bottom=HEIGHT, mass=200)], saying(0.99, 0.2)) == [
        0,
        1,
    ]  # too tall


def test_a_dash_is_sooner_left_out_than_a_small_nought() -> None:
    dash, nought = segment(1, 2, 1.0, 0.12, 250), segment(1, 2, 0.5, 0.6, 250)
    unsure = saying(0.99, 0.17)
    assert best_path(seams(3), [segment(0, 1), dash], unsure) == [0]
    assert best_path(seams(3), [segment(0, 1), nought], unsure) == [0, 1]


def test_white_inside_a_segment_speaks_against_it() -> None:
    alike = saying(0.97, 0.99, 0.97)
    assert best_path(seams(3), [LEFT, WHOLE, RIGHT], alike) == [1]
    assert best_path(seams(3), [LEFT, replace(WHOLE, gap=10), RIGHT], alike) == [0, 2]


def test_empty_stretches_cost_nothing_and_no_segment_is_no_digit() -> None:
    gap = Segment(1, 2, EMPTY, 0, 0, 0, 0, 0.0)
    assert best_path(seams(4), [segment(0, 1), gap, segment(2, 3)], saying(0.99, 0.1, 0.99)) == [0, 2]
    assert best_path(seams(2), [Segment(0, 1, EMPTY, 0, 0, 0, 0, 0.0)], saying(0.1)) == []


def test_seams_run_between_two_strokes_and_through_the_thinnest_place() -> None:
    ink = np.zeros((HEIGHT, 60), np.float32)
    ink[4:44, 10:16] = ink[4:44, 40:46] = 1
    apart = find_seams(ink)
    assert any(16 <= column <= 40 and cost == 0 for column, cost in zip(apart.columns[:, 24], apart.cost, strict=True))
    ink[20:24, 16:40] = 1  # a bridge of four pixels
    joined = find_seams(ink)
    inside = (joined.columns[:, 24] >= 16) & (joined.columns[:, 24] <= 40)
    assert 3.5 < joined.cost[inside].min() < 5
    assert len(find_segments(ink, joined)) >= 3
    assert DEFAULT_COSTS.cut > 0


def rings(count: int, apart: int) -> np.ndarray:
    """``count`` rings of 24 x 36 pixels with walls of 5, their middles ``apart`` pixels from each other."""
    y, x = np.mgrid[0:HEIGHT, 0 : 30 + apart * count].astype(np.float32)
    ink = np.zeros_like(y)
    for k in range(count):
        level = np.hypot((x - 18 - apart * k) / 12, (y - 24) / 18)
        ink = np.maximum(ink, (np.abs(level - 0.85) < 0.17).astype(np.float32))
    return ink


def test_noughts_that_share_a_wall_both_have_it() -> None:
    ink = rings(3, 20)  # alone, the middle of the wall would have to be cut along
    found = find_seams(ink)
    assert sum(wall.any() for wall in found.wall) == 2
    whole = find_segments(rings(1, 20), find_seams(rings(1, 20)))
    mass = max(segment.mass for segment in whole)
    noughts = [s for s in find_segments(ink, found) if abs(s.mass / mass - 1) < 0.15 and 20 <= s.right - s.left <= 30]
    assert len({round((s.left + s.right) / 2 / 20) for s in noughts}) == 3
    assert reads(ink) == "000"


def test_noughts_in_a_row_do_not_lean_and_strokes_lean_as_they_were_sheared() -> None:
    assert slant(rings(3, 20)) == 0
    strokes = np.zeros((HEIGHT, 120), np.float32)
    for x in (20, 60, 100):
        strokes[2:46, x - 3 : x + 3] = 1
    for lean in (-0.6, -0.5, 0.0, 0.5, 0.6):
        assert abs(slant(sheared(strokes, -lean, 24)) - np.sign(lean) * (abs(lean) - 0.1)) <= 0.1
    assert slant(np.zeros((1, 1), np.float32)) == 0


def reads(ink: np.ndarray) -> str:
    page = np.pad(235 - 200 * ink, 12, constant_values=235).astype(np.uint8)
    return "".join(digit.label for line in Reader().read(page).lines for digit in line.digits)


def test_a_stroke_alone_is_not_two_digits() -> None:
    ink = np.zeros((HEIGHT, 30), np.float32)
    ink[4:44, 12:18] = 1
    assert not find_seams(ink).wall.any()
    assert len([s for s in find_segments(ink, find_seams(ink)) if not s.empty]) >= 1
    assert reads(ink) == "1"
