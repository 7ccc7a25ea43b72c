"""Nearest training images, beside scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tenfold.evaluation import metrics
from tenfold.evaluation.metrics import nearest_neighbours


def test_neighbours_agree_with_scikit_learn_over_several_blocks(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 70)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 1, 9, 7), dtype=np.uint8)
    queries = rng.integers(0, 256, (20, 1, 9, 7), dtype=np.uint8)
    rows, distances = nearest_neighbours(queries, images, 4)
    reference = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(images.reshape(300, -1).astype(float))
    expected_distances, expected = reference.kneighbors(queries.reshape(20, -1).astype(float))
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-4)


def test_an_image_is_its_own_nearest_neighbour():
    images = np.random.default_rng(1).integers(0, 256, (50, 3, 5, 5), dtype=np.uint8)
    rows, distances = nearest_neighbours(images[[7, 3]], images, 1)
    np.testing.assert_array_equal(rows, [[7], [3]])
    assert distances.max() < 2  # of rounding


def test_fewer_images_than_asked_for():
    images = np.zeros((2, 1, 2, 2), np.uint8)
    rows, _ = nearest_neighbours(images[:1], images, 3)
    np.testing.assert_array_equal(rows, [[0, 1]])
    assert nearest_neighbours(images[:0], images)[0].shape == (0, 2)
    assert nearest_neighbours(images, images[:0])[0].shape == (2, 0)
    with pytest.raises(ValueError, match="one shape"):
        nearest_neighbours(images, np.zeros((2, 1, 3, 3), np.uint8))
