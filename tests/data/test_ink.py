import numpy as np
import pytest

from tenfold.data.ink import ink, is_inverted, measure


def bar(left: int, width: int, top: int = 4, height: int = 20, side: int = 28) -> np.ndarray:
    image = np.zeros((1, 1, side, side), np.uint8)
    image[0, 0, top : top + height, left : left + width] = 255
    return image


def test_a_bar_measures_what_it_is() -> None:
    found = measure(bar(left=16, width=4))
    assert found.ink[0] == pytest.approx(4 * 20 / 28**2)
    assert found.x[0] == pytest.approx((17.5 - 13.5) / 28)
    assert found.y[0] == pytest.approx(0, abs=1e-6)
    assert found.size[0] == pytest.approx(20 / 28)
    assert found.stroke[0] == pytest.approx(2 * 80 / 48 / 28, rel=0.02)  # twice the area over the outline
    assert found.edge[0] == 0


def test_strokes_twice_as_wide_measure_so() -> None:
    thin, thick = measure(bar(10, 2, 0, 28)).stroke[0], measure(bar(10, 4, 0, 28)).stroke[0]
    assert thick / thin == pytest.approx(2, rel=0.1)


def test_inversion_and_colour_change_nothing() -> None:
    dark = bar(5, 3)
    bright, colour = 255 - dark, np.repeat(dark, 3, axis=1)
    assert is_inverted(np.concatenate([dark, bright])).tolist() == [False, True]
    for same in (bright, colour):
        assert np.allclose(ink(same), ink(dark), atol=1e-6)


def test_blank_images_and_no_images_have_measures() -> None:
    blank = measure(np.zeros((2, 1, 8, 8), np.uint8))
    assert not any(getattr(blank, name).any() for name in ("ink", "x", "y", "size", "stroke", "edge"))
    assert measure(np.zeros((0, 1, 8, 8), np.uint8)).ink.shape == (0,)
