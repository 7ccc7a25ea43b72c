import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.errors import ResourceError
from tenfold.exploration import maps
from tenfold.exploration.maps import tsne
from tenfold.exploration.maps.tsne import Tsne, fit_tsne
from tenfold.exploration.statistics import fit_pca, neighbour_agreement

pytest.importorskip("openTSNE")


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    images = (load_digits().images * 15).astype(np.uint8)[:, None]
    return fit_pca(images).transform(images, 40)


@pytest.fixture(scope="module")
def fitted(points: np.ndarray) -> tsne.TsneMap:
    return fit_tsne(points[:600], Tsne(rounds=60))


def test_neighbours_stay_neighbours(fitted: tsne.TsneMap, points: np.ndarray) -> None:
    labels = load_digits().target[:600]
    on_two_components = neighbour_agreement(points[:600, :2], labels)
    assert neighbour_agreement(fitted.places, labels) > max(0.9, on_two_components)


def test_further_points_are_placed_among_their_like(fitted: tsne.TsneMap, points: np.ndarray) -> None:
    placed = fitted.place(points[600:660])
    labels = load_digits().target
    nearest = ((fitted.places[None] - placed[:, None]) ** 2).sum(axis=2).argmin(axis=1)
    assert placed.shape == (60, 2)
    assert (labels[:600][nearest] == labels[600:660]).mean() > 0.8


def test_the_same_seed_gives_the_same_map(fitted: tsne.TsneMap, points: np.ndarray) -> None:
    assert np.array_equal(fit_tsne(points[:600], Tsne(rounds=60)).places, fitted.places)


def test_few_points_need_no_package_that_compiles_itself_first() -> None:
    """openTSNE itself imports pynndescent wherever it is installed, and numba then compiles it for half a minute."""
    code = (
        "import sys, numpy as np; from tenfold.exploration.maps.tsne import Tsne, fit_tsne; "
        "fit_tsne(np.random.default_rng(0).random((30, 5)), Tsne(early_rounds=5, rounds=5)); "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_progress_goes_from_the_first_round_to_the_last(points: np.ndarray) -> None:
    heard = []
    fit_tsne(points[:100], Tsne(early_rounds=20, rounds=30), progress=lambda *rounds: heard.append(rounds))
    assert heard == [(rounds, 50) for rounds in (10, 20, 30, 40, 50)]


def test_the_notebooks_settings_are_the_notebooks() -> None:
    assert (Tsne.as_notebook().components, Tsne.as_notebook().perplexity, Tsne.as_notebook().early_exaggeration) == (
        154,
        50,
        12,
    )
    assert Tsne.as_notebook().early_rounds + Tsne.as_notebook().rounds == 1000


def test_without_opentsne_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, points: np.ndarray) -> None:
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install .*\[explore\]'"):
        fit_tsne(points[:100])
    assert importlib.util.find_spec("openTSNE")
