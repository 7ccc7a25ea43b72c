import numpy as np
import pytest
from scipy import ndimage

from tenfold.reading.components import boxes, crossings, label


@pytest.mark.parametrize("density", [0.1, 0.3, 0.45, 0.6, 0.95])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (60, 47)])
def test_the_same_as_scipy(density: float, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(round(density * 100)).random(shape) < density
    labels, count = label(mask)
    expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
    assert count == expected_count
    np.testing.assert_array_equal(labels, expected)
    found = boxes(labels, count)
    for i, (rows, columns) in enumerate(ndimage.find_objects(expected)):
        assert (found.top[i], found.bottom[i], found.left[i], found.right[i]) == (
            rows.start,
            rows.stop,
            columns.start,
            columns.stop,
        )
    np.testing.assert_array_equal(found.area, np.bincount(expected.ravel(), minlength=count + 1)[1:])


def test_a_spiral_is_one() -> None:
    mask = np.zeros((21, 21), bool)
    for k in range(0, 10, 2):
        mask[k, k : 21 - k] = mask[20 - k, k : 21 - k] = mask[k : 21 - k, k] = mask[k : 21 - k, 20 - k] = True
        mask[k + 1, k] = k == 0
        if k:
            mask[k - 1, k] = True
    assert label(mask)[1] == ndimage.label(mask, np.ones((3, 3)))[1]


def test_a_dash_is_crossed_once_and_a_ring_twice() -> None:
    mask = np.zeros((30, 80), bool)
    mask[4:8, 2:40] = True
    y, x = np.mgrid[0:30, 0:80]
    mask |= np.abs(np.hypot(y - 18, x - 60) - 9) < 1.5
    labels, count = label(mask)
    dash, ring = crossings(labels, count)
    assert dash == 1
    assert 1.6 < ring < 2
