"""Pixels, labels, class images and neighbours, against numpy, scipy and scikit-learn."""

import numpy as np
import pytest
import scipy.stats
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from tenfold.exploration.statistics import (
    balance_p,
    class_images,
    ink_per_class,
    labels,
    neighbour_agreement,
    pixels,
    same_shares_p,
)
from tenfold.values.dataset import Dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]
    return Dataset(images, digits.target.astype(np.int64), np.arange(len(images)), tuple("0123456789"))


def test_pixels_are_numpys(data: Dataset) -> None:
    found = pixels(data.images)
    assert found.mean == pytest.approx(data.images.mean())
    assert found.deviation == pytest.approx(data.images.std())
    assert (found.lowest, found.highest) == (data.images.min(), data.images.max())
    assert found.zeros == pytest.approx((data.images == 0).mean())
    assert np.array_equal(found.never_used, data.images.max(axis=0) == 0)
    assert found.never_used.any()


def test_ink_of_a_class_is_its_mean_pixel(data: Dataset) -> None:
    assert ink_per_class(data)[3] == pytest.approx(data.images[data.labels == 3].mean())
    missing = Dataset(data.images[:1], data.labels[:1], data.ids[:1], data.class_names)
    assert np.isnan(ink_per_class(missing)[1:]).all()


def test_p_values_are_scipys(data: Dataset) -> None:
    counts = np.bincount(data.labels[:1000], minlength=10)
    other = np.bincount(data.labels[1000:], minlength=10)
    assert balance_p(counts) == pytest.approx(scipy.stats.chisquare(counts).pvalue)
    expected = scipy.stats.chi2_contingency(np.stack([counts, other]), correction=False).pvalue
    assert same_shares_p(np.stack([counts, other])) == pytest.approx(expected)


def test_labels_of_splits_that_have_them(data: Dataset) -> None:
    found = labels({"train": data.take(range(1000)), "test": data.take(range(1000, 1797)).without_labels()})
    assert found is not None
    assert list(found.counts) == ["train"]
    assert found.same_shares_p is None
    assert labels({"test": data.without_labels()}) is None


def test_class_images_are_numpys_and_their_ends_are_the_nearest_and_farthest(data: Dataset) -> None:
    seven = class_images(data, extremes=5)[7]
    images = data.images[data.labels == 7]
    assert seven.count == len(images)
    assert seven.mean == pytest.approx(images.mean(axis=0))
    assert seven.median == pytest.approx(np.median(images, axis=0))
    assert seven.variance == pytest.approx(images.var(axis=0), abs=1e-6)
    distances = np.sqrt(((data.images - seven.mean) ** 2).mean(axis=(1, 2, 3)))
    distances[data.labels != 7] = np.nan
    assert seven.nearest[0] == np.nanargmin(distances)
    assert seven.farthest[0] == np.nanargmax(distances)
    assert len(seven.nearest) == len(seven.farthest) == 5


def test_neighbour_agreement_counts_neighbours_of_equal_label() -> None:
    rng = np.random.default_rng(0)
    places, known = rng.normal(size=(300, 2)), rng.integers(0, 3, 300)
    nearest = NearestNeighbors(n_neighbors=11).fit(places).kneighbors(return_distance=False)[:, :10]
    assert neighbour_agreement(places, known) == pytest.approx((known[nearest] == known[:, None]).mean())
    apart = np.repeat([[0, 0], [100, 100]], 20, axis=0) + rng.normal(size=(40, 2))
    assert neighbour_agreement(apart, np.repeat([0, 1], 20)) == 1
