"""Corrupted images: repeatable, in range, stronger with severity, and each what its name says."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits

from tenfold.errors import UsageError
from tenfold.evaluation.corruptions import CORRUPTIONS, SEVERITIES, affine, corrupt, released_severities, smooth
from tenfold.evaluation.corruptions.geometric import outlines

MNIST_C = {
    "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate", "brightness", "translate",
    "stripe", "fog", "spatter", "dotted_line", "zigzag", "canny_edges",
}  # fmt: skip
"""The fifteen of its released set (arXiv:1906.02337, figure 1)."""
UNEVEN = {"spatter", "fog"}
"""MNIST-C's settings of these differ in kind from severity to severity, and not each step goes further away."""
ALL = sorted(CORRUPTIONS)


def digits(count: int = 64) -> np.ndarray:
    """scikit-learn's digits as MNIST has its: 28 x 28, ink in the middle 20 x 20."""
    small = load_digits().images[:count]
    large = [
        np.asarray(Image.fromarray((image * 15.9).astype(np.uint8)).resize((20, 20), Image.Resampling.BICUBIC))
        for image in small
    ]
    return np.pad(np.stack(large), ((0, 0), (4, 4), (4, 4)))[:, None]


DIGITS = digits()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a.astype(float) - b).mean()))


def test_the_names_are_those_of_mnist_c_and_ours_are_marked() -> None:
    assert set(released_severities()) == MNIST_C
    ours = {name for name in CORRUPTIONS if not CORRUPTIONS[name].in_mnist_c}
    assert ours == {"thin", "thick", "occlusion", "clipped"}


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    first = corrupt(DIGITS, name, 3, seed=7)
    np.testing.assert_array_equal(corrupt(DIGITS, name, 3, seed=7), first)
    assert first.dtype == np.uint8  # which keeps the range
    assert first.shape == DIGITS.shape
    assert (first != DIGITS).any()


@pytest.mark.parametrize("name", ALL)
def test_the_input_stays_as_it_was(name: str) -> None:
    images = DIGITS.copy()
    images.setflags(write=False)
    corrupt(images, name, 5)
    np.testing.assert_array_equal(images, DIGITS)


@pytest.mark.parametrize("name", ALL)
def test_more_severe_is_further_away(name: str) -> None:
    far = [distance(corrupt(DIGITS, name, severity), DIGITS) for severity in SEVERITIES]
    if name in UNEVEN:
        assert far[-1] > far[0]
    elif name == "clipped":  # a digit that has moved away is as far as it gets: what counts is the ink that is lost
        lost = [1 - corrupt(DIGITS, name, severity).sum() / DIGITS.sum() for severity in SEVERITIES]
        assert (np.diff(lost) > 0).all()
    else:
        assert (np.diff(far) > 0).all(), far


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 32, 32), (2, 1, 20, 31), (0, 1, 28, 28)])
def test_any_size_number_and_colour_will_do(name: str, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for severity in (1, 5):
        assert corrupt(images, name, severity).shape == shape


def test_names_and_severities_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown corruption 'rotation'; expected one of: .*rotate, "):
        corrupt(DIGITS, "rotation", 1)
    with pytest.raises(UsageError, match="found severity 6, expected 1 to 5"):
        corrupt(DIGITS, "rotate", 6)


def test_images_are_turned_as_scipy_turns_them_either_way() -> None:
    turned = corrupt(DIGITS, "rotate", 3) / 255
    for image, result in zip(DIGITS / 255, turned, strict=True):
        ways = [ndimage.rotate(image[0], np.degrees(angle), reshape=False, order=1) for angle in (0.6, -0.6)]
        assert min(np.abs(way - result[0]).max() for way in ways) < 0.01


def test_images_are_scaled_and_sheared_about_their_centre() -> None:
    half = corrupt(DIGITS, "scale", 5) / 255
    expected = ndimage.affine_transform(DIGITS[0, 0] / 255, np.eye(2) * 2, offset=-13.5, order=1)
    assert np.abs(half[0, 0] - expected).max() < 0.01
    image = (DIGITS[:1] / 255).astype(np.float32)
    matrix = np.array([[1, -0.4], [0, 1]])  # of (x, y); scipy's is of (row, column)
    expected = ndimage.affine_transform(
        image[0, 0], matrix[::-1, ::-1], offset=13.5 - matrix[::-1, ::-1] @ [13.5, 13.5], order=1
    )
    np.testing.assert_allclose(affine(image, matrix)[0, 0], expected, atol=1e-5)


def test_blur_is_scipy_s() -> None:
    expected = ndimage.gaussian_filter(DIGITS[:, 0] / 255, (0, 2, 2), mode="nearest")
    np.testing.assert_allclose(smooth((DIGITS / 255).astype(np.float32), 2.0)[:, 0], expected, atol=1e-5)


def test_images_move_by_whole_pixels_both_ways() -> None:
    moved = corrupt(DIGITS, "translate", 4)
    for image, result in zip(DIGITS[:, 0], moved[:, 0], strict=True):
        shifts = [np.roll(image, (down, right), (0, 1)) for down in (-4, 4) for right in (-4, 4)]
        assert any((shift == result).all() for shift in shifts)  # four rows of nothing surround the ink


def test_the_strongest_inverse_is_the_negative_and_the_stripe_inverts_the_sides() -> None:
    np.testing.assert_array_equal(corrupt(DIGITS, "inverse", 5), 255 - DIGITS)
    striped = corrupt(DIGITS, "stripe", 1)
    np.testing.assert_array_equal(striped[..., :3], 255 - DIGITS[..., :3])
    np.testing.assert_array_equal(striped[..., 3:-3], DIGITS[..., 3:-3])


def test_brightness_adds_and_contrast_keeps_the_mean() -> None:
    np.testing.assert_array_equal(corrupt(DIGITS, "brightness", 2), np.rint((DIGITS / 255 + 0.2).clip(0, 1) * 255))
    flat = corrupt(DIGITS, "contrast", 4).astype(float)
    np.testing.assert_allclose(flat.mean(axis=(2, 3)), DIGITS.mean(axis=(2, 3)), atol=0.5)
    np.testing.assert_allclose(flat.std(axis=(2, 3)), DIGITS.std(axis=(2, 3)) * 0.1, atol=0.5)


def test_noise_has_the_strength_it_says() -> None:
    grey = np.full((50, 1, 28, 28), 128, np.uint8)
    assert corrupt(grey, "gaussian_noise", 1).std() == pytest.approx(0.08 * 255, rel=0.03)
    assert corrupt(grey, "shot_noise", 1).std() == pytest.approx(np.sqrt(128 / 255 / 60) * 255, rel=0.03)
    replaced = corrupt(grey, "impulse_noise", 5)
    assert (replaced == 0).mean() == pytest.approx(0.135, rel=0.1)
    assert (replaced == 255).mean() == pytest.approx(0.135, rel=0.1)


def test_pens_become_thinner_and_thicker_by_one_cross() -> None:
    cross = ndimage.generate_binary_structure(2, 1)
    image = DIGITS[0, 0]
    np.testing.assert_array_equal(
        corrupt(DIGITS, "thin", 5)[0, 0], ndimage.grey_erosion(image, footprint=cross, mode="nearest")
    )
    twice = ndimage.grey_dilation(ndimage.grey_dilation(image, footprint=cross), footprint=cross)
    np.testing.assert_array_equal(corrupt(DIGITS, "thick", 5)[0, 0], twice)


def test_digits_are_clipped_by_as_many_pixels_as_asked_for() -> None:
    box = np.zeros((40, 1, 28, 28), np.uint8)
    box[:, :, 8:20, 8:20] = 255
    for severity in SEVERITIES:
        left = (corrupt(box, "clipped", severity) > 0).sum(axis=(1, 2, 3))
        assert (left == 12 * (12 - severity)).all()


def test_a_patch_covers_ink() -> None:
    covered = corrupt(DIGITS, "occlusion", 3)
    assert ((covered == 0) | (covered == DIGITS)).all()
    assert (covered.sum(axis=(1, 2, 3)) < DIGITS.sum(axis=(1, 2, 3))).all()


def test_jpeg_is_pillow_s() -> None:
    content = io.BytesIO()
    Image.fromarray(DIGITS[0, 0]).save(content, "JPEG", quality=7)
    np.testing.assert_array_equal(corrupt(DIGITS, "jpeg_compression", 5)[0, 0], np.asarray(Image.open(content)))


def test_motion_leaves_a_trail_to_one_side_and_no_ink_is_made() -> None:
    dot = np.zeros((16, 1, 28, 28), np.uint8)
    dot[:, :, 14, 14] = 255
    trail = corrupt(dot, "motion_blur", 2)
    assert (trail[..., 15:] == 0).all()
    assert (trail[..., :14].sum(axis=(1, 2, 3)) > 0).all()
    assert (trail.sum(axis=(1, 2, 3)) < 1.2 * 255).all()


def test_outlines_are_thin_closed_lines_where_a_square_ends() -> None:
    square = np.zeros((1, 1, 28, 28), np.float32)
    square[:, :, 8:20, 8:20] = 1
    edge = outlines(square)[0, 0]
    _, parts = ndimage.label(edge, np.ones((3, 3)))
    inside, outside = edge[10:18, 10:18], edge.copy()
    outside[6:22, 6:22] = False
    assert parts == 1
    assert not inside.any()
    assert not outside.any()
    assert set(edge[14].nonzero()[0]) <= {7, 8, 19, 20}
    _, regions = ndimage.label(~edge)
    assert regions == 2  # a closed line has an inside


def test_outlines_stand_where_a_plain_canny_in_scipy_has_them() -> None:
    """A pixel that is steeper than all around it is on the ridge, whatever the slope's direction."""
    images = (DIGITS / 255).astype(np.float32)
    smoothed = ndimage.gaussian_filter(images[:, 0], (0, 1, 1), mode="nearest")
    down, right = (np.stack([ndimage.sobel(image, axis, mode="nearest") for image in smoothed]) for axis in (0, 1))
    steep = np.hypot(down, right)
    edges = outlines(images)[:, 0]
    assert (steep[edges] >= 0.1).all()
    around = np.ones((1, 3, 3), bool)
    around[0, 1, 1] = False
    strongest = steep > ndimage.maximum_filter(steep, footprint=around) + 1e-4  # by more than rounding
    strongest[:, [0, -1]] = strongest[:, :, [0, -1]] = False
    assert edges[strongest & (steep >= 0.2)].all()  # the peaks of the ridge are always part of it
    assert 0.05 < edges.mean() < 0.3


def test_lines_cross_the_whole_image_and_teeth_stay_inside() -> None:
    black = np.zeros((20, 1, 28, 28), np.uint8)
    dotted = corrupt(black, "dotted_line", 1)[:, 0].max(axis=1) > 128
    assert dotted.any(axis=0).sum() == 14  # every other pair of columns
    jagged = corrupt(black, "zigzag", 1)[:, 0].max(axis=1)
    assert (jagged[:, :2] == 0).all()
    assert (jagged[:, 3:25] > 0).mean() > 0.8
