"""Colours of attributions: orange for, blue against."""

import numpy as np
import pytest

from tenfold.report.sprites import AGAINST, FOR, heat, over, tiles


def test_sign_is_hue_and_size_is_strength() -> None:
    picture = heat(np.array([[2.0, -2.0, 0.0, 1.0]]))
    assert picture.shape == (3, 1, 4)
    assert picture[:, 0, 0].tolist() == FOR.tolist()
    assert picture[:, 0, 1].tolist() == AGAINST.tolist()
    assert not picture[:, 0, 2].any()
    assert picture[:, 0, 3] == pytest.approx(FOR / 2, abs=0.5)
    assert not heat(np.zeros((2, 2))).any()


def test_the_image_shines_through_where_there_is_no_heat() -> None:
    image = np.full((1, 2, 2), 200, np.uint8)
    picture = over(image, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert picture[:, 1, 1].tolist() == [175, 175, 175]  # pale ink on white paper
    assert picture[:, 0, 0].tolist() == FOR.tolist()
    assert over(image, np.zeros((2, 2))).max() == 175
    assert over(np.zeros((1, 2, 2), np.uint8), np.zeros((2, 2))).min() == 255
    assert over(np.zeros((3, 2, 2), np.uint8), np.zeros((2, 2))).max() == 153  # a photograph is light, not ink


def test_maps_stand_side_by_side() -> None:
    picture = tiles(np.ones((5, 4, 3)), columns=2)
    assert picture.shape == (3 * 5 - 1, 2 * 4 - 1, 3)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[4, 0].tolist() == [56, 56, 56]
    assert picture[-1, -1].tolist() == [56, 56, 56]
    assert tiles(-np.ones((1, 2, 2)), 1)[0, 0].tolist() == AGAINST.tolist()
