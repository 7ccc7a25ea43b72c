import numpy as np
import pytest

from tenfold.report.figures import Axis, curves, fitted, intervals, mean_of_members, ticks, whole_ticks

NAN = float("nan")


def test_an_axis_places_values_in_percent():
    assert [Axis(2, 4).place(value) for value in (2, 3, 4)] == [0, 50, 100]
    assert [Axis(0.01, 1, is_log=True).place(value) for value in (0.01, 0.1, 1)] == [0, 50, 100]


def test_an_axis_is_logarithmic_only_where_asked_for_and_needed():
    assert fitted(0.01, 1, may_be_log=True).is_log
    assert not fitted(0.01, 1).is_log
    assert not fitted(0.1, 1, may_be_log=True).is_log
    assert not fitted(0, 1, may_be_log=True).is_log


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_single_value_stands_in_the_middle(value):
    assert fitted(value, value).place(value) == 50


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.981, 0.994, [0.985, 0.99]), (-3, 12, [0, 5, 10])],
)
def test_linear_ticks_are_round_and_inside(low, high, expected):
    assert ticks(Axis(low, high)) == pytest.approx(expected)


def test_logarithmic_ticks_thin_out_with_the_range():
    assert ticks(Axis(0.015, 0.8, is_log=True)) == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5])
    assert ticks(Axis(1e-6, 1, is_log=True)) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])


def test_epochs_are_whole_numbers():
    assert whole_ticks(Axis(1, 4)) == [1, 2, 3, 4]
    assert whole_ticks(Axis(1, 40)) == [5, 10, 15, 20, 25, 30, 35, 40]


def test_the_mean_is_over_those_who_got_there():
    grid = np.array([[1.0, 2.0, NAN, NAN], [3.0, 4.0, 5.0, NAN]])
    np.testing.assert_array_equal(mean_of_members(grid), [2, 3, 5, NAN])


def chart(**series):
    grids = {name: np.array(grid, dtype=float) for name, grid in series.items()}
    return curves("Loss", np.array([1, 2, 3]), grids, "{:.1f}".format, "{:g}".format, best_epoch=2)


def test_curves_draw_members_under_their_mean():
    made = chart(train=[[1, 2, 3], [3, 4, NAN]], validation=[[NAN, NAN, NAN], [4, 4, 4]])
    assert [line.kind for line in made.lines] == [
        "train thin",
        "train thin",
        "validation thin",
        "train mean",
        "validation mean",
    ]
    assert made.lines[0].points == "0,100.00 50,66.67 100,33.33"
    assert made.lines[1].points == "0,33.33 50,0.00"
    assert made.lines[3].points == "0,66.67 50,33.33 100,33.33"
    assert made.best == 50
    assert made.readout[1] == {"epoch": 2, "x": 50, "train": "3.0", "validation": "4.0"}


def test_a_single_member_is_its_mean():
    assert [line.kind for line in chart(train=[[1, 2, 3]], validation=[[NAN] * 3]).lines] == ["train mean"]


def test_no_values_no_chart():
    assert chart(train=[[NAN] * 3]) is None


def test_intervals_share_an_axis_that_ends_at_one():
    made = intervals([("test", 0.97, 0.98, 0.99), ("validation", 0.985, 0.995, 0.999)])
    test, validation = made.rows
    assert 0 < test.low < test.value < test.high < 100
    assert test.value < validation.low < validation.high < 100
    assert made.ticks[-1].label == "100"
    assert made.ticks[-1].place == 100
