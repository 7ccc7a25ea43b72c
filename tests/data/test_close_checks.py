import json

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from sklearn.datasets import load_digits

from tenfold.data.checks import CHECKS, Finding, check
from tenfold.data.checks.drift import drift, kolmogorov_smirnov
from tenfold.data.checks.outliers import clipped, inverted, off_centre, outliers
from tenfold.data.ink import measure
from tenfold.values.dataset import Dataset

DIGITS = tuple("0123456789")


def closely(train: Dataset, test: Dataset | None = None) -> list[Finding]:
    """What the close checks find."""
    return [found for found in check(train, test, close=True) if CHECKS[found.name].is_close]


@pytest.fixture
def data() -> Dataset:
    """500 framed digits of 16 x 16 pixels."""
    digits = load_digits()
    images = np.pad((digits.images[:500] * 15).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))[:, None]
    return Dataset(images, digits.target[:500].astype(np.int64), np.arange(1, 501), DIGITS)


def changed(data: Dataset, rows: list[int], images: np.ndarray) -> Dataset:
    all_images = data.images.copy()
    all_images[rows] = images
    return Dataset(all_images, data.labels, data.ids, data.class_names)


def rows_of(finding: Finding) -> set[object]:
    return {group[0] for group in finding.ids}


def scribbles(count: int) -> Dataset:
    """Random blots of ink, no two alike, framed as MNIST frames its digits."""
    rng = np.random.default_rng(0)
    noise = scipy.ndimage.gaussian_filter(rng.normal(size=(count, 24, 24)), (0, 1.5, 1.5))[:, 2:-2, 2:-2]
    framed = np.pad((noise > 0.05) * np.uint8(255), ((0, 0), (6, 6), (6, 6)))
    centres = np.round([scipy.ndimage.center_of_mass(image) for image in framed]).astype(int)
    centred = np.stack(
        [np.roll(image, 16 - centre, axis=(0, 1)) for image, centre in zip(framed, centres, strict=True)]
    )
    return Dataset(centred[:, None], np.arange(count) % 10, np.arange(1, count + 1), DIGITS)


def test_a_clean_set_gives_nothing() -> None:
    data = scribbles(500)
    findings = closely(data.take(range(300)), data.take(range(300, 500)))
    assert [f.name for f in findings] == [
        *("near-duplicates", "inverted", "off-centre", "clipped", "outliers", "drift")
    ]
    assert {f.name: f.message for f in findings if f.count or f.severity != "note"} == {}
    json.dumps([f.as_dict() for f in findings], allow_nan=False)


def test_inverted_images_are_found_either_way_round(data: Dataset) -> None:
    mixed = changed(data, [3, 7], 255 - data.images[[3, 7]])
    assert rows_of(inverted(mixed)) == {4, 8}
    upside_down = Dataset(255 - mixed.images, data.labels, data.ids, data.class_names)
    assert rows_of(inverted(upside_down)) == {4, 8}


def test_off_centre_and_clipped_images_are_found(data: Dataset) -> None:
    moved = changed(
        data, [10, 11], np.stack([np.roll(data.images[10], 4, axis=2), np.roll(data.images[11], -5, axis=1)])
    )
    measures = measure(moved.images)
    assert rows_of(off_centre(moved, measures)) == {11, 12}
    assert rows_of(clipped(moved, measures)) == {12}


def test_a_set_that_fills_its_frame_is_no_fault() -> None:
    images = (load_digits().images * 15).astype(np.uint8)[:, None]
    filled = Dataset(images, None, np.arange(len(images)), DIGITS)
    finding = clipped(filled, measure(images))
    assert (finding.severity, finding.ids) == ("note", ())
    assert "that is how this set is made" in finding.message


def test_outliers_come_farthest_first(data: Dataset) -> None:
    odd = changed(data, [20, 30], np.stack([np.full((1, 16, 16), 255, np.uint8), np.full((1, 16, 16), 180, np.uint8)]))
    assert outliers(odd).ids[:2] == ((21,), (31,))


def test_drift_names_what_has_changed(data: Dataset) -> None:
    before = measure(data.images)
    thick = np.maximum(data.images, np.roll(data.images, 1, axis=3))
    finding = drift(before, measure(np.roll(thick, 3, axis=2)))
    assert finding.severity == "warning"
    for name in ("amount of ink", "vertical position", "stroke width"):
        assert name in finding.message
    moved = {m["name"]: m["after"] - m["before"] for m in finding.details["measures"]}
    assert moved["vertical position"] == pytest.approx(3 / 16, abs=0.01)


def test_the_distance_of_distributions_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        a, b = rng.integers(0, 30, 200).astype(float), rng.normal(15, 8, 150)
        assert kolmogorov_smirnov(a, b) == pytest.approx(scipy.stats.ks_2samp(a, b).statistic)


def test_sets_of_other_shapes_and_unlabelled_sets_are_checked_as_far_as_possible(data: Dataset) -> None:
    other = Dataset(np.zeros((4, 3, 5, 5), np.uint8), None, np.arange(4), ())
    assert "drift" not in [f.name for f in closely(data, other)]
    assert "outliers" not in [f.name for f in closely(other)]
