import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.exploration import examine as module
from tenfold.exploration.examine import averaged, examine
from tenfold.exploration.maps.tsne import Tsne
from tenfold.values.dataset import Dataset

QUICK = Tsne(early_rounds=20, rounds=20)


@pytest.fixture(scope="module")
def data() -> Dataset:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]
    return Dataset(images, digits.target.astype(np.int64), np.arange(1, len(images) + 1), tuple("0123456789"))


def test_everything_about_two_labelled_sets(data: Dataset) -> None:
    heard = []
    train, test = data.take(range(400)), data.take(range(400, 500))
    found = examine(train, test, maps=(QUICK,), progress=lambda *what: heard.append(what))
    assert list(found.splits) == list(found.pixels) == list(found.measures) == ["train", "test"]
    assert [some.name for some in found.maps] == ["t-SNE", "PCA"]
    assert all(some.places.shape == (500, 2) and np.isfinite(some.places).all() for some in found.maps)
    assert found.pca is not None
    assert found.pca_shift is not None
    assert len(found.classes) == 10
    assert [f.name for f in found.findings if f.name in ("leakage", "drift")] == ["leakage", "drift"]
    assert ("t-SNE", 40, 40) in heard
    assert set(found.seconds) == {what[0] for what in heard}
    assert np.allclose(found.place(test.images), found.maps[0].places[400:], atol=1e-3)


def test_an_unlabelled_set_has_no_classes_and_no_agreement(data: Dataset) -> None:
    found = examine(data.take(range(50)).without_labels())
    assert (found.labels, found.class_ink, found.classes) == (None, None, [])
    assert [(some.name, some.agreement) for some in found.maps] == [("PCA", None)]
    with pytest.raises(ValueError, match="no map t-SNE"):
        found.place(data.images[:1], "t-SNE")


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
def test_a_handful_of_images_is_enough(data: Dataset, count: int) -> None:
    found = examine(data.take(range(count)), maps=(QUICK,))
    assert len(found.maps) == (2 if count >= module.FEWEST else 0)


def test_a_test_set_of_another_shape_is_seen_by_the_checks_alone(data: Dataset) -> None:
    other = Dataset(np.zeros((3, 1, 4, 4), np.uint8), None, np.arange(3), ())
    found = examine(data.take(range(50)), other)
    assert list(found.splits) == ["train"]
    assert [f.severity for f in found.findings if f.name == "leakage"] == ["error"]


def test_large_colour_images_are_averaged_before_their_components_are_sought() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 40, 50), dtype=np.uint8)
    found = examine(Dataset(images, np.arange(12) % 2, np.arange(12), ("a", "b")))
    assert found.shrunk == 2
    assert found.pca is not None
    assert found.pca.shape == (3, 20, 25)


def test_averages_are_of_blocks() -> None:
    images = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 1, 5, 4)
    assert averaged(images, 2)[1, 0].tolist() == [[round((20 + 21 + 24 + 25) / 4), 24], [30, 32]]
    assert averaged(images, 1) is images
