import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tenfold.report.sprites import Sheet, sheet
from tenfold.values.display import LARGEST_SIDE, grid, png


def pixels(made: Sheet) -> np.ndarray:
    head, _, body = made.uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body, validate=True))))


def cut(made: Sheet, index: int, height: int, width: int) -> np.ndarray:
    """The picture that CSS shows for ``index``: p percent of background-position is p percent of (sheet - cell)."""
    x, y = (float(value) / 100 for value in re.fullmatch(r"--x:(.+)%;--y:(.+)%", made.cell(index)).groups())
    whole = pixels(made)
    left, top = round(x * (whole.shape[1] - width)), round(y * (whole.shape[0] - height))
    return whole[top : top + height, left : left + width]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97])
def test_every_grey_image_is_where_its_cell_says(count):
    images = np.random.default_rng(count).integers(0, 256, (count, 1, 8, 6), dtype=np.uint8)
    made = sheet(images)
    assert made.is_grey
    assert made.aspect == pytest.approx(6 / 8)
    for index in range(count):
        np.testing.assert_array_equal(cut(made, index, 8, 6), images[index, 0])


def test_colours_stay_colours():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 7, 7), dtype=np.uint8)
    made = sheet(images)
    assert not made.is_grey
    np.testing.assert_array_equal(cut(made, 4, 7, 7), images[4].transpose(1, 2, 0))


def test_large_images_are_scaled_down():
    image = np.zeros((1, 3, 300, 600), dtype=np.uint8)
    image[:, 0, :, 300:] = 255
    made = sheet(image)
    shown = pixels(made)
    assert shown.shape == (LARGEST_SIDE // 2, LARGEST_SIDE, 3)
    assert made.aspect == 2
    assert shown[5, 5].tolist() == [0, 0, 0]
    assert shown[5, -5].tolist() == [255, 0, 0]


def test_a_grid_has_the_columns_asked_for_and_dots_as_large():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 6), dtype=np.uint8)
    pixels = grid(images, 2)
    assert pixels.shape == (12, 12, 1)
    np.testing.assert_array_equal(pixels[4:8, 6:, 0], images[3, 0])
    assert not pixels[8:, 6:].any()
    shown = np.asarray(Image.open(io.BytesIO(png(pixels, enlarge=3))))
    assert shown.shape == (36, 36)
    np.testing.assert_array_equal(shown[1::3, 1::3], pixels[:, :, 0])
