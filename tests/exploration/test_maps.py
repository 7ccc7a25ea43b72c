"""UMAP and PaCMAP: neighbours stay neighbours, further points find their like, a seed decides."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.errors import ResourceError, UsageError
from tenfold.exploration import maps
from tenfold.exploration.examine import examine
from tenfold.exploration.maps import MAPS
from tenfold.exploration.maps.tsne import Tsne
from tenfold.exploration.statistics import fit_pca, neighbour_agreement
from tenfold.plugins.pacmap import Pacmap
from tenfold.values.dataset import Dataset

METHODS = [
    pytest.param("umap", marks=pytest.mark.slow),  # numba compiles for ten seconds
    "pacmap",
]


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    some = load_digits()
    return (some.images[:count] * 15).astype(np.uint8)[:, None], some.target[:count].astype(np.int64)


@pytest.mark.parametrize("name", METHODS)
def test_a_map_keeps_neighbours_and_takes_further_points(name: str) -> None:
    pytest.importorskip({"umap": "umap.umap_"}.get(name, name))
    images, labels = digits(660)
    points = fit_pca(images[:600]).transform(images, 40)
    fitted = MAPS.get(name)().fit(points[:600])
    assert fitted.places.shape == (600, 2)
    assert fitted.places.dtype == np.float32
    agreement = neighbour_agreement(fitted.places, labels[:600])
    assert agreement > max(0.85, neighbour_agreement(points[:600, :2], labels[:600]) + 0.2)
    before = fitted.places.copy()
    placed = fitted.place(points[600:])
    nearest = ((fitted.places[None] - placed[:, None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (labels[:600][nearest] == labels[600:]).mean() > 0.85
    assert np.array_equal(before, fitted.places)
    assert np.array_equal(MAPS.get(name)().fit(points[:600]).places, before)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("count", [5, 12])
def test_a_handful_of_images_is_enough(name: str, count: int) -> None:
    pytest.importorskip({"umap": "umap.umap_"}.get(name, name))
    images, labels = digits(count + 3)
    names = tuple("0123456789")
    train = Dataset(images[:count], labels[:count], np.arange(count), names)
    test = Dataset(images[count:], None, np.arange(3), names)
    found = examine(train, test, maps=(MAPS.get(name)(),))
    assert [some.name for some in found.maps] == [MAPS.get(name)().name, "PCA"]
    assert np.isfinite(found.maps[0].places).all()
    assert found.maps[0].places.shape == (count + 3, 2)


@pytest.mark.parametrize(("name", "extra"), [("tsne", "explore"), ("umap", "maps"), ("pacmap", "maps")])
def test_what_is_missing_is_said_with_its_command(monkeypatch: pytest.MonkeyPatch, name: str, extra: str) -> None:
    monkeypatch.setattr(maps, "find_spec", lambda package: None)
    images, _ = digits(8)
    with pytest.raises(ResourceError, match=rf"pip install .*\[{extra}\]'"):
        examine(Dataset(images, None, np.arange(8), ()), maps=(MAPS.get(name)(),))


def test_an_unknown_map_is_refused() -> None:
    with pytest.raises(UsageError, match="pacmap, tsne, umap"):
        MAPS.get("isomap")


def test_every_method_says_how_its_map_is_to_be_read() -> None:
    for name in MAPS:
        assert "sizes of groups mean little" in MAPS.get(name)().note(50)
    assert "perplexity 50" in Tsne.as_notebook().note(154)
    assert MAPS.get("pacmap")() == Pacmap()
