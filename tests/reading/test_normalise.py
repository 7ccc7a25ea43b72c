import numpy as np
import pytest

from _handwriting import digits, is_mnist, on_page
from tenfold.reading.ink import resized
from tenfold.reading.normalise import as_it_is, frame, normalise

IMAGES, LABELS = digits()


@pytest.mark.skipif(not is_mnist(), reason="MNIST is not in the cache")
def test_mnists_own_images_pass_as_they_are() -> None:
    for image in IMAGES[:2000]:
        np.testing.assert_array_equal(normalise(image), image)
    for image in IMAGES[:100]:
        np.testing.assert_array_equal(normalise(255 - image), image)
        assert np.abs(normalise(image, "dark").astype(int) - image).max() > 0  # its ground is no ink


@pytest.mark.skipif(not is_mnist(), reason="MNIST is not in the cache")
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_larger_page_mnists_images_change_within_interpolation_only(dark: bool) -> None:
    pages = [on_page(image, (60, 70), 28, 5 + k % 37, k % 32, dark=dark) for k, image in enumerate(IMAGES[:300])]
    difference = np.abs(np.stack([normalise(page) for page in pages]).astype(int) - IMAGES[:300])
    assert difference.mean() < 0.5
    assert (difference.max(axis=(1, 2)) <= 16).mean() >= 0.95
    assert (
        difference.mean(axis=(1, 2)) < 2
    ).mean() >= 0.99  # else moved by a pixel, as its centre of mass lies between two


def test_only_what_has_mnists_form_passes_as_it_is() -> None:
    ink = np.zeros((28, 28), np.uint8)
    ink[4:24, 12:16] = 255
    assert as_it_is(ink) is not None
    assert as_it_is(np.roll(ink, 2, axis=1)) is None  # not in the middle
    assert as_it_is(ink // 2) is None  # not full ink
    assert as_it_is(ink[2:]) is None
    assert as_it_is(np.zeros_like(ink)) is None
    taller = ink.copy()
    taller[2:26, 12:16] = 255
    assert as_it_is(taller) is None
    assert normalise(taller).any()


def test_what_comes_out_passes_again_as_it_is() -> None:
    for image in IMAGES[:20]:
        once = normalise(image)
        assert np.abs(normalise(once).astype(int) - once).mean() < 1.5


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("dark", [False, True])
def test_place_and_polarity_do_not_matter(corner: tuple[int, int], dark: bool) -> None:
    for image in IMAGES[:8]:
        page = on_page(image, (160, 160), 56, corner[0] * 104, corner[1] * 104, dark=dark)
        middle = on_page(image, (160, 160), 56, 52, 52, dark=False)
        np.testing.assert_allclose(normalise(page).astype(int), normalise(middle), atol=6)


def test_size_matters_only_within_interpolation() -> None:
    for image in IMAGES[:8]:
        large = normalise(on_page(image, (300, 300), 280, 10, 10, dark=True)).astype(int)
        moved = [
            np.roll(large, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)
        ]  # a centre of mass may round otherwise
        assert min(np.abs(each - normalise(image)).mean() for each in moved) < 12


@pytest.mark.parametrize("level", [0, 77, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (28, 29), (64, 64)])
def test_f16_blank_pictures_of_any_size_are_blank(level: int, shape: tuple[int, int]) -> None:
    assert not normalise(np.full(shape, level, np.uint8)).any()


def test_noise_and_uneven_light_alone_are_blank() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(120, 240, 100)[None] + rng.normal(0, 4, (80, 100))
    assert not normalise(ramp.astype(np.uint8)).any()


def test_the_longer_side_is_20_pixels_and_the_centre_of_mass_in_the_middle() -> None:
    ink = np.zeros((90, 50), np.float32)
    ink[5:85, 20:30] = 1
    ink[75:85, 20:45] = 1
    field = frame(ink).astype(float)
    rows = np.flatnonzero(field.any(axis=1))
    assert rows[-1] - rows[0] + 1 == 20
    y, x = np.mgrid[0:28, 0:28]
    assert abs((field * y).sum() / field.sum() - 14) <= 0.5
    assert abs((field * x).sum() / field.sum() - 14) <= 0.5


def test_thin_strokes_come_out_at_full_contrast() -> None:
    ink = np.zeros((400, 400), np.float32)
    ink[20:380, 199:201] = 1
    assert frame(ink).max() > 240


def test_a_resized_picture_keeps_its_mean_and_its_place() -> None:
    ink = np.zeros((60, 90), np.float32)
    ink[12:24, 30:60] = 1
    for height, width in ((60, 90), (20, 30), (120, 180), (7, 90)):
        small = resized(ink, height, width)
        assert small.shape == (height, width) and small.mean() == pytest.approx(ink.mean(), rel=0.1)
        middle = (small.sum(axis=1) @ (np.arange(height) + 0.5)) / small.sum() / height
        assert middle == pytest.approx(18 / 60, abs=0.02)
    np.testing.assert_array_equal(resized(ink, 60, 90), ink)


@pytest.mark.parametrize("fill", [False, True], ids=["own aspect", "square"])
@pytest.mark.parametrize("inverted", [False, True])
def test_ink_may_touch_every_border(fill: bool, inverted: bool) -> None:
    wide = [image for image, label in zip(IMAGES[:60], LABELS[:60], strict=True) if label != 1][:40]
    seen = 0
    for image in wide:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
        width = 32 if fill else max(1, round(32 * crop.shape[1] / crop.shape[0]))
        crop = (resized(crop, 32, width) > 0.45).astype(np.float32)
        picture = (255 * (1 - crop if inverted else crop)).astype(np.uint8)
        seen += np.abs(normalise(picture).astype(int) - frame(crop)).mean() < 3
    assert seen >= 38
