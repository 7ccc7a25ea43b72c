from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.data.convert import convert
from tenfold.values.dataset import Dataset

NAMES = tuple("0123456789")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
    path = tmp_path / "train.csv"
    convert(Dataset(images, np.arange(60) % 10, np.arange(1, 61), NAMES), path)
    return path


def test_a_page_and_figures_are_written(cli: Callable[..., Any], table: Path, tmp_path: Path) -> None:
    done = cli(
        "explore",
        table,
        "--test",
        table,
        "--no-tsne",
        "--out",
        tmp_path / "data.html",
        "--figures",
        tmp_path / "figures",
    )
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [str(tmp_path / "data.html"), str(tmp_path / "figures")]
    assert "leak     leakage: 60 of 60 test rows" in done.stdout
    assert "principal components ..." in done.stderr
    names = {"labels", "class-means", "explained-variance", "components", "map-pca", "samples", "ink", "restored"}
    figures = {Path(path).name for path in done.changed if path.startswith("figures/")}
    assert figures == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    page = (tmp_path / "data.html").read_text("utf-8")
    assert "<h1>train.csv</h1>" in page


def test_strict_leaves_with_3_and_writes_the_page(cli: Callable[..., Any], table: Path) -> None:
    done = cli("explore", table, "--test", table, "--no-tsne", "--strict")
    assert done.code == 3
    assert "cwd/explore.html" in done.changed


def test_a_page_is_replaced_only_by_force(cli: Callable[..., Any], table: Path) -> None:
    assert cli("--quiet", "explore", table, "--no-tsne", "--out", "mine.html").stderr == ""
    refused = cli("explore", table, "--no-tsne", "--out", "mine.html")
    assert (refused.code, refused.changed) == (2, [])
    assert "--force" in refused.stderr
    assert cli("explore", table, "--no-tsne", "--out", "mine.html", "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("missing.csv",), 3, "no such file or folder"),
        (("mnist", "--out", "nowhere/x.html"), 2, "nowhere is no folder"),
        (("mnist", "--no-tsne", "--as-notebook"), 2, "choose one of them"),
        (("mnist", "--map", "pacmap", "--as-notebook"), 2, "choose one of them"),
        (("mnist", "--map", "tsne", "--no-tsne"), 2, "choose one of them"),
        (("mnist", "--map", "isomap"), 2, "isomap"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_read(
    cli: Callable[..., Any], arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("explore", *arguments)
    assert done.code == code
    assert said in done.stderr
    assert done.changed == []


@pytest.mark.slow
def test_another_map_beside_the_components(cli: Callable[..., Any], table: Path) -> None:
    pytest.importorskip("pacmap")
    done = cli("explore", table, "--map", "pacmap")
    assert done.code == 0, done.stderr
    assert "PaCMAP ..." in done.stderr
    page = (table.parent / "cwd" / "explore.html").read_text("utf-8")
    assert page.count('data-map="') == 2
    assert "PaCMAP of 36 principal components" in page


def test_a_second_page_without_a_name_gets_a_free_one(cli: Callable[..., Any], table: Path) -> None:
    pages = [cli("explore", table, "--no-tsne").stdout.splitlines()[-1] for _ in range(3)]
    assert pages == ["explore.html", "explore-2.html", "explore-3.html"]
    assert cli("explore", table, "--no-tsne", "--force").stdout.splitlines()[-1] == "explore.html"
