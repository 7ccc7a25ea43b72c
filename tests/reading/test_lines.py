"""Which components make a line."""

from __future__ import annotations

import numpy as np

from tenfold.reading.ink import InkMap
from tenfold.reading.lines import HEIGHT, find_lines, run_heights


def page_with(*boxes: tuple[int, int, int, int]) -> InkMap:
    """A page of 120 x 500 with the outlines of boxes, 4 pixels thick: (left, top, width, height)."""
    mask = np.zeros((120, 500), bool)
    for left, top, width, height in boxes:
        mask[top : top + height, left : left + width] = True
        mask[top + 4 : top + height - 4, left + 4 : left + width - 4] = False
    return InkMap(mask.astype(np.float32), mask, bright=False)


LARGE = [(20, 20, 40, 80), (70, 20, 40, 80)]


def test_a_row_of_small_noughts_belongs_to_its_line_to_the_last() -> None:
    small = [(130 + 60 * k, 76, 30, 24) for k in range(5)]
    (line,) = find_lines(page_with(*LARGE, *small))
    assert line.left + line.width >= 130 + 60 * 4 + 30
    assert abs(80 * line.scale - HEIGHT) < 1  # the large digits decide how large the line is


def test_small_noughts_in_one_go_belong_to_the_line_they_begin_beside() -> None:
    joined = [(130 + 50 * k, 66, 54, 30) for k in range(4)]  # one component, whose middle is far away
    (line,) = find_lines(page_with(*LARGE, *joined))
    assert line.left + line.width >= 130 + 50 * 3 + 54


def test_it_grows_to_the_left_as_well() -> None:
    small = [(20 + 60 * k, 76, 30, 24) for k in range(5)]
    (line,) = find_lines(page_with(*small, (350, 20, 40, 80), (400, 20, 40, 80)))
    assert line.left < 20


def test_specks_do_not_carry_a_line_on() -> None:
    specks = [(130 + 60 * k, 92, 8, 8) for k in range(5)]
    (line,) = find_lines(page_with(*LARGE, *specks))
    assert line.left + line.width < 110 + 80 + 10


def test_remains_of_a_ruled_line_under_the_digits_are_left_out() -> None:
    remains = [(15, 104, 30, 4), (60, 104, 20, 4), (120, 105, 40, 3)]
    dash = (125, 55, 30, 8)
    (line,) = find_lines(page_with(*LARGE, *remains, dash))
    assert line.above + line.height <= 102
    assert line.left + line.width == 156  # the dash is a mark of the line


def test_a_bar_within_the_digits_height_is_part_of_one() -> None:
    (line,) = find_lines(page_with(*LARGE, (140, 26, 30, 8), (140, 60, 30, 40)))  # a five whose bar hangs apart
    assert (
        line.straightened(page_with((140, 26, 30, 8)).ink).sum()
        > 0.9 * page_with((140, 26, 30, 8)).ink.sum() * line.scale**2
    )


def test_runs_are_as_tall_as_their_ink() -> None:
    mask = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [1, 1, 1]], bool)
    np.testing.assert_array_equal(run_heights(mask), [[2, 0, 1], [2, 0, 0], [0, 2, 2], [1, 2, 2]])
