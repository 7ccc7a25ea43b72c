import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from tenfold.data.load import load
from tenfold.data.sources.mnist import Mnist
from tenfold.exploration.statistics import LARGEST, fit_pca


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return (load_digits().images * 15).astype(np.uint8)[:, None]


def test_variances_and_subspaces_are_scikit_learns(images: np.ndarray) -> None:
    ours, theirs = fit_pca(images), PCA(svd_solver="full").fit(images.reshape(len(images), -1))
    assert ours.variances == pytest.approx(theirs.explained_variance_, rel=1e-4, abs=1e-2)
    for count in (1, 2, 10, 40):
        projection = ours.components[:count].T @ ours.components[:count]
        expected = theirs.components_[:count].T @ theirs.components_[:count]
        assert np.abs(projection - expected).max() < 1e-4


@pytest.mark.parametrize("share", [0.8, 0.9, 0.95, 0.99])
def test_the_number_of_components_is_scikit_learns(images: np.ndarray, share: float) -> None:
    theirs = PCA(n_components=share, svd_solver="full").fit(images.reshape(len(images), -1))
    assert fit_pca(images).components_for(share) == theirs.n_components_


@pytest.mark.skipif(Mnist.cached_in() is None, reason="MNIST is not in the cache")
def test_154_components_hold_95_percent_of_mnist() -> None:
    assert fit_pca(load("mnist").images).components_for(0.95) == 154


def test_all_components_restore_everything_and_fewer_leave_the_rest(images: np.ndarray) -> None:
    pca = fit_pca(images)
    assert np.abs(pca.restore(pca.transform(images, 64)) - images).max() < 0.01
    # what the components after the tenth hold is what ten of them leave
    left = float((pca.residuals(images, 10) ** 2).mean()) * 64
    assert left == pytest.approx(pca.variances[10:].sum(), rel=1e-3)


def test_images_that_are_all_alike_have_no_variance() -> None:
    pca = fit_pca(np.full((5, 1, 4, 4), 7, np.uint8))
    assert pca.components_for(0.95) == 1
    assert (pca.explained == 1).all()


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (3, 1, LARGEST + 1, 1)])
def test_what_has_no_components_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="principal components need"):
        fit_pca(np.zeros(shape, np.uint8))
