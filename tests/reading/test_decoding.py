"""Which cuts are taken, given what the recogniser says."""

from dataclasses import replace

import numpy as np

from tenfold.reading.cuts import Seams, find_seams
from tenfold.reading.decoding import DEFAULT_COSTS, Costs, best_path
from tenfold.reading.lines import HEIGHT
from tenfold.reading.segments import Segment, find_segments

EMPTY = np.zeros((28, 28), np.uint8)


def segment(first: int, last: int, width: float = 0.6, height: float = 1.0, mass: float = 300) -> Segment:
    return Segment(first, last, EMPTY, 0, 0, round(width * HEIGHT), round(height * HEIGHT), mass)


def seams(count: int, cost: float = 0.0) -> Seams:
    return Seams(np.zeros((count, HEIGHT), np.int64), np.array([0.0, *[cost] * (count - 2), 0.0]))


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
    assert best_path(seams(3), [segment(0, 1), replace(dot, bottom=HEIGHT, mass=200)], saying(0.99, 0.2)) == [0, 1]  # too tall


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
