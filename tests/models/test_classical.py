"""What classical models compute, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.covariance import ShrunkCovariance
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from _digits import digits
from tenfold.errors import UsageError
from tenfold.models import build
from tenfold.models._fitted import SHRINKAGE, Fitted, Work, apply, components_of
from tenfold.models.layers.neighbours import Neighbours
from tenfold.models.nystroem import JITTER, Nystroem
from tenfold.models.svm import Points, bend
from tenfold.values.recipe import ModelSettings

SEEN, UNSEEN = slice(0, 1000), slice(1000, 1797)


def fit(kind: str, **settings: object) -> Fitted:
    model = build(ModelSettings(kind=kind, **settings), (1, 8, 8), 10)
    assert isinstance(model, Fitted)
    model.learn(digits().images[SEEN], digits().labels[SEEN], Work(seed=1))
    return model


def pixels(rows: slice) -> np.ndarray:
    return digits().images[rows].reshape(-1, 64).astype(np.float32) / 255


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b[None]) ** 2).sum(2)


def test_euclidean_components_are_scikit_learns() -> None:
    x, labels = pixels(SEEN), digits().labels[SEEN]
    ours = components_of(x, labels, 12, "euclidean")(torch.from_numpy(x)).detach().numpy()
    theirs = PCA(12, svd_solver="full").fit_transform(x.astype(np.float64))
    assert np.abs(np.abs(ours) - np.abs(theirs)).max() < 1e-4


def test_mahalanobis_distances_are_those_of_the_pooled_covariance() -> None:
    x, labels = pixels(SEEN), digits().labels[SEEN]
    projection = components_of(x, labels, 64, "mahalanobis")
    means = np.stack([x[labels == label].mean(0) for label in range(10)])
    residuals = (x - means[labels]).astype(np.float64)
    # scikit-learn's shrunk covariance is (1 - s) S + s mean(diagonal) I; ours is S + s mean I, the same up to a factor
    share = SHRINKAGE / (1 + SHRINKAGE)
    covariance = ShrunkCovariance(shrinkage=share, assume_centered=True).fit(residuals).covariance_ / (1 - share)
    some = x[:20].astype(np.float64)
    differences = some[:, None] - some[None]
    expected = np.einsum("ijk,kl,ijl->ij", differences, np.linalg.inv(covariance), differences)
    ours = projection(torch.from_numpy(x[:20])).detach().numpy()
    assert np.abs(distances(ours, ours) - expected).max() < 1e-3 * expected.max()


def test_features_that_never_vary_do_not_break_the_metric() -> None:
    labels = np.arange(20) % 2
    x = np.zeros((20, 5), np.float32)
    x[:, 0] = labels
    assert torch.isfinite(components_of(x, labels, 3, "mahalanobis")(torch.from_numpy(x))).all()


@pytest.mark.parametrize("kind", ["svm", "knn", "nystroem"])
def test_an_unknown_metric_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="metric = 'manhattan'; expected one of: euclidean, mahalanobis"):
        build(ModelSettings(kind=kind, metric="manhattan"), (1, 8, 8), 10)


def test_neighbours_vote_as_in_scikit_learn() -> None:
    count = 5

    def dudani(far: np.ndarray) -> np.ndarray:  # squared distances, the last one the first that has no vote
        return far[:, -1:] - far + 1e-9

    reference = KNeighborsClassifier(count + 1, weights=lambda far: dudani(far**2), algorithm="brute")
    reference.fit(pixels(SEEN), digits().labels[SEEN])
    votes = np.eye(10, dtype=np.float32)[digits().labels[SEEN]]
    ours = apply([Neighbours(pixels(SEEN), votes, count, 0.0)], pixels(UNSEEN))
    assert np.abs(np.exp(ours) - reference.predict_proba(pixels(UNSEEN))).max() < 1e-3


def test_knn_answers_as_its_neighbours_do() -> None:
    model = fit("knn", features="pixels", deskew=False, metric="euclidean", components=64, neighbours=1)
    reference = KNeighborsClassifier(1).fit(pixels(SEEN), digits().labels[SEEN])
    ours = apply(list(model), digits().images[UNSEEN]).argmax(1)
    assert (ours == reference.predict(pixels(UNSEEN))).mean() > 0.998  # two may be equally near


def test_the_linear_model_is_scikit_learns() -> None:
    model = fit("linear", C=2.0)
    reference = LogisticRegression(C=2.0, max_iter=2000, tol=1e-8).fit(pixels(SEEN), digits().labels[SEEN])
    ours = torch.from_numpy(apply(list(model), digits().images[UNSEEN])).softmax(1).numpy()
    apart = np.abs(ours - reference.predict_proba(pixels(UNSEEN)))  # ours stops earlier
    assert apart.max() < 0.03
    assert apart.mean() < 0.001


def test_with_every_row_as_a_landmark_nystroem_is_kernel_ridge_regression() -> None:
    gamma, penalty, rows = 0.05, 1e-4, 400
    x, labels = pixels(slice(0, rows)), digits().labels[:rows]
    model = Nystroem((1, 8, 8), 10, "pixels", False, "euclidean", 64, gamma, rows, penalty)
    model.learn(digits().images[:rows], labels, Work())
    targets = 2 * np.eye(10)[labels] - 1
    kernel = rbf_kernel(x.astype(np.float64), gamma=gamma)  # least |Kw - t|^2 + n p w'(K + jitter)w
    weights = np.linalg.solve(kernel @ kernel + rows * penalty * (kernel + JITTER * np.eye(rows)), kernel @ targets)
    expected = rbf_kernel(pixels(UNSEEN).astype(np.float64), x.astype(np.float64), gamma=gamma) @ weights
    found = apply(list(model), digits().images[UNSEEN])
    factor = (found * expected).sum() / (expected * expected).sum()  # the temperature
    assert factor > 1
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.99


@pytest.mark.parametrize(
    ("count", "hard", "taken"), [(200, 0.0, 0), (200, 0.5, 100), (200, 1.0, 200), (5000, 0.5, 500)]
)
def test_the_hardest_rows_are_landmarks(count: int, hard: float, taken: int) -> None:
    """Half of the rows lie near the border, on both sides of it: these are what the smaller machine is least sure
    of.
    """
    draw = np.random.Generator(np.random.PCG64(1))
    side = np.repeat([-1.0, 1.0], 500)
    far = np.concatenate([np.full(250, 3.0), np.full(250, 0.1)] * 2)
    x = (np.stack([side * far, np.zeros(1000)], 1) + 0.1 * draw.standard_normal((1000, 2))).astype(np.float32)
    targets = np.stack([-side, side], 1).astype(np.float32)
    model = Nystroem((1, 8, 8), 2, "pixels", False, "euclidean", 2, 0.5, count, 1e-6, hard=hard)
    chosen = model._choose(Points.of(x), targets, Work(seed=1)).x
    assert len(np.unique(chosen, axis=0)) == len(chosen) == min(count, len(x))
    near = (np.abs(chosen[:, 0]) < 1.5).sum()
    if hard:
        assert near >= taken
    else:
        assert 70 < near < 130


def test_bent_copies_are_near_their_images_and_all_different() -> None:
    images = np.zeros((2, 1, 28, 28), np.uint8)
    images[:, 0, 6:22, 12:16] = 255
    bent = bend(images, 3)
    assert bent.shape == images.shape
    assert bent.dtype == np.uint8
    assert np.array_equal(bent, bend(images, 3))
    assert not np.array_equal(bent[0], bent[1])
    ink = images.astype(float)
    assert ((bent * ink).sum((1, 2, 3)) > 0.2 * (ink * ink).sum((1, 2, 3))).all()


def test_a_support_vector_machine_learns_from_bent_copies_too() -> None:
    settings = {
        "features": "pixels",
        "deskew": False,
        "components": 30,
        "virtual": 0,
        "calibrate": False,
        "gamma": 0.05,
    }
    plain, bent = fit("svm", **settings), fit("svm", **settings, bent=2)
    assert len(bent[2].vectors) > len(plain[2].vectors)
    assert (apply(list(bent), digits().images[UNSEEN]).argmax(1) == digits().labels[UNSEEN]).mean() > 0.95


def test_with_a_steep_slope_the_class_is_that_of_libsvms_votes() -> None:
    model = fit(
        "svm", features="pixels", deskew=False, components=64, virtual=0, calibrate=False, gamma=0.1, C=1, slope=16
    )
    reference = SVC(C=1, gamma=0.1).fit(pixels(SEEN), digits().labels[SEEN])
    ours = apply(list(model), digits().images[UNSEEN]).argmax(1)
    assert (ours != reference.predict(pixels(UNSEEN))).sum() <= 2
