"""What the page about a data set holds, before a browser has a look."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tenfold.data.load import load
from tenfold.data.sources.mnist import Mnist
from tenfold.exploration.examine import examine
from tenfold.files import sha256_of
from tenfold.report.explore_page import render, write_data_page
from tenfold.report.figures import histogram
from tenfold.report.paper_figures import write_figures
from tenfold.report.sprites import DARK, LIGHT, colours, packed, packed_text, thumbnails
from tenfold.values.dataset import Dataset

NAMES = tuple("0123456789")


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


@pytest.fixture(scope="module")
def data() -> Dataset:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]
    return Dataset(images, digits.target.astype(np.int64), np.arange(1, len(images) + 1), NAMES)


def part(page: str, name: str) -> str:
    found = re.search(rf'id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_arrays_and_texts_survive_packing() -> None:
    numbers = np.arange(1000, dtype=np.uint16).reshape(500, 2)
    assert np.array_equal(np.frombuffer(unpacked(packed(numbers.astype(">u2"))), "<u2").reshape(500, 2), numbers)
    assert unpacked(packed_text(["a", "b\nc", "ß"])).decode().split("\n") == ["a", "b c", "ß"]


def test_thumbnails_hold_sixteen_levels_two_a_byte() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 3, 3), dtype=np.uint8)  # an odd number of pixels
    small = thumbnails(images)
    halves = np.frombuffer(unpacked(small.data), np.uint8).reshape(5, 5)
    levels = np.stack([halves >> 4, halves & 15], axis=2).reshape(5, 10)[:, :9]
    assert np.abs(levels.reshape(images.shape) * 17.0 - images).max() <= 8.5
    assert (small.channels, small.height, small.width) == (1, 3, 3)


def test_thumbnails_shrink_until_they_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 3, 30, 60), dtype=np.uint8)
    small = thumbnails(noise, budget=50_000)
    assert len(unpacked(small.data)) <= 60_000
    assert small.width == 2 * small.height < 60
    assert small.channels == 3


def test_colours_stand_out_from_their_paper_and_differ() -> None:
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for scheme, paper in ((LIGHT, "#ffffff"), (DARK, "#1b1d22")):
        assert len(set(scheme)) == 10
        for colour in scheme:
            low, high = sorted((luminance(colour), luminance(paper)))
            assert (high + 0.05) / (low + 0.05) > 2.3, colour
    assert colours(12)[10:] == colours(2)


def test_histograms_have_equal_areas_and_marks_inside() -> None:
    rng = np.random.default_rng(0)
    figure = histogram("ink", {"train": rng.normal(size=1000), "test": rng.normal(1, 1, 50)}, {"recipe": 9.0})
    areas = []
    for outline in figure.outlines:
        x, y = np.array([point.split(",") for point in outline.points.split()], dtype=float).T
        areas.append(np.trapezoid(100 - y, x))
    assert areas[0] == pytest.approx(areas[1], rel=0.01)
    assert [(mark.place, mark.label) for mark in figure.marks] == [(100.0, "recipe")]
    single = histogram("ink", {"train": np.zeros(3)}, {"recipe": 0.5})
    assert (single.only, single.outlines, single.ticks) == ("0", [], [])  # no chart of one value
    narrow = histogram("size", {"train": np.r_[np.full(100, 20 / 28), 19.99 / 28]}, {"recipe": 20 / 28})
    assert len({tick.label for tick in narrow.ticks}) == len(narrow.ticks) > 1


def test_the_page_holds_every_image_and_its_place(data: Dataset) -> None:
    found = examine(data.take(range(200)), data.take(range(200, 250)).without_labels())
    page = render(found, "digits")
    assert len(unpacked(part(page, "data-thumbnails"))) == 250 * 32
    assert unpacked(part(page, "data-ids")).decode().split("\n") == [str(i) for i in range(1, 251)]
    labels = np.frombuffer(unpacked(part(page, "data-labels")), "<u2")
    assert np.array_equal(labels[:200], data.labels[:200])
    assert (labels[200:] == 65_535).all()
    places = np.frombuffer(unpacked(part(page, "data-map-0")), "<u2").reshape(250, 2).astype(float)
    original = found.maps[0].places * [1, -1]
    scale = 65_535 / np.ptp(original, axis=0).max()
    assert np.abs((places - places[0]) - (original - original[0]) * scale).max() <= 1.01
    assert places.min() == 0
    assert places.max() == 65_535


def test_names_and_ids_cannot_break_out_of_the_page(data: Dataset) -> None:
    evil = "</script><script>alert(1)</script>"
    images = np.concatenate([data.images[:40], data.images[:2]])
    ids = np.array([f"{evil}{i}" for i in range(42)])
    page = render(examine(Dataset(images, np.arange(42) % 2, ids, (evil, "b"))), evil)
    assert "<script>alert" not in page
    meta = json.loads(part(page, "meta"))
    assert meta["names"] == [evil, "b"]
    assert meta["findings"][0]["groups"][0] == [f"{evil}0", f"{evil}40"]


@pytest.mark.parametrize("kind", ["one image", "unlabelled", "colour", "large", "two channels", "all equal"])
def test_sets_of_every_kind_have_a_page(data: Dataset, kind: str) -> None:
    rng = np.random.default_rng(0)
    shape = {"colour": (3, 12, 10), "large": (1, 90, 70), "two channels": (2, 8, 8)}.get(kind, (1, 8, 8))
    images = rng.integers(0, 256, (1 if kind == "one image" else 30, *shape), dtype=np.uint8)
    if kind == "all equal":
        images[:] = 7
    labels = None if kind == "unlabelled" else (np.arange(len(images)) % 3)
    page = render(examine(Dataset(images, labels, np.arange(len(images)), ("a", "b", "c"))), kind)
    assert page.rstrip().endswith("</html>")
    assert ('id="labels"' in page) == (labels is not None)


def test_figures_are_files_that_do_not_change(data: Dataset, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    found = examine(data.take(range(100)), data.take(range(100, 150)))
    first = {path.name: sha256_of(path) for path in write_figures(found, tmp_path / "a")}
    assert {name for name in first if name.endswith(".svg")} == {
        *("labels.svg", "class-means.svg", "explained-variance.svg", "components.svg", "map-pca.svg"),
        *("samples.svg", "ink.svg", "restored.svg"),
    }
    assert {path.name: sha256_of(path) for path in write_figures(found, tmp_path / "b")} == first


def test_images_of_a_figure_stand_in_rows_each_under_its_title(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 7, 5), dtype=np.uint8)
    images[:, 0], images[:, 1:] = 255, 40  # red ones
    found = examine(Dataset(images, None, np.arange(501, 513), ("a", "b")))
    written = {path.name: path for path in write_figures(found, tmp_path)}
    assert {"samples.png", "ink.png"} <= written.keys()
    titles = re.findall(r"<!-- (\d+) -->", written["samples.svg"].read_text())
    assert titles == [str(each) for each in range(501, 513)]
    pixels = np.asarray(Image.open(written["samples.png"]).convert("RGB")).astype(int)
    red = (pixels[:, :, 0] > 200) & (pixels[:, :, 1] < 80)
    assert [runs_of(red.any(axis=0)), runs_of(red.any(axis=1))] == [10, 2]


def runs_of(marks: np.ndarray) -> int:
    """How many stretches of True there are."""
    return int((np.diff(np.concatenate([[0], marks.astype(int)])) == 1).sum())


@pytest.mark.slow
@pytest.mark.skipif(Mnist.cached_in() is None, reason="MNIST is not in the cache")
def test_the_page_about_seventy_thousand_images_is_below_12_mb(tmp_path) -> None:
    path = write_data_page(examine(load("mnist"), load("mnist", "test")), tmp_path / "explore.html", "mnist")
    assert path.stat().st_size < 12e6
