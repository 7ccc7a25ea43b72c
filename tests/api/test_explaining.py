"""A trained run explained: from Python, from the command line, and in its report."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import tenfold as library
from _browser import CHROMIUM, drive
from _command_line import tenfold
from tenfold.report.page import render
from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run

VISIT = """
const seen = {};
seen.images = document.querySelectorAll(".explained").length;
seen.pictures = [...document.querySelectorAll(".heat")].every((e) => getComputedStyle(e).backgroundImage.startsWith("url"));
seen.layers = [...document.querySelectorAll(".layer img")].every((e) => e.complete && e.naturalWidth > 0);
const before = getComputedStyle(document.body).backgroundColor;
document.getElementById("theme").click();
seen.turned = getComputedStyle(document.body).backgroundColor !== before;
seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
return seen;
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network that has learnt a little of scikit-learn's digits."""
    folder = tmp_path_factory.mktemp("explaining")
    images, labels = load_digits(return_X_y=True)
    pixels = (images * 15.9375).astype(np.uint8).reshape(-1, 8, 8)
    for name, rows in (("train", slice(0, 1200)), ("test", slice(1200, None))):
        np.savez(folder / f"{name}.npz", images=pixels[rows], labels=labels[rows])
    recipe = library.load_recipe(
        "quick", ["model.layers=8C3 BN MP2 FLAT 16 SOFTMAX", "train.epochs=2", "ensemble.members=2"]
    )
    how = {"train": folder / "train.npz", "test": folder / "test.npz", "out": folder / "runs", "executor": "local"}
    return library.run(recipe, progress=False, **how)  # type: ignore[arg-type]


def test_images_are_found_by_their_ids_and_by_their_difficulty(run: Run) -> None:
    made = run.predictions("test")
    found = library.explain(run, [made.ids[5], made.ids[7]], hardest=2, member=1)
    assert [one.id for one in found[:2]] == [str(made.ids[5]), str(made.ids[7])]
    truth = made.probabilities[np.arange(len(made)), made.labels]
    assert [one.id for one in found[2:]] == [str(made.ids[row]) for row in np.argsort(truth, kind="stable")[:2]]
    assert found[0].label == made.labels[5]
    assert [layer.name for layer in found[0].maps][:2] == ["1 Conv2d", "2 ReLU"]


def test_rows_that_were_held_out_are_explained_too(run: Run) -> None:
    ids = run.predictions("validation").ids
    (one,) = library.explain(run.path, [ids[0]], on="validation")
    assert one.probabilities == pytest.approx(_of_member(run, "validation", 0)[0], abs=1e-5)


def _of_member(run: Run, name: str, member: int) -> np.ndarray:
    from tenfold.values.predictions import Predictions

    return Predictions.load(run.member_path(member) / f"{name}.npz").probabilities


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--id", "99999"], r"there is no test image with the id 99999; the 597 ids go from"),
        ([], "no image was named; pass --id ID, or --hardest 6"),
        (["--id", "1", "--member", "2"], "has no member 2; it has 2, counted from 0"),
        (["--id", "1", "--on", "train"], "expected test or validation"),
    ],
)
def test_what_is_not_there_is_said(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    done = tenfold("explain", run.path, "--out", tmp_path / "page.html", *options)
    assert (done.code, message in done.err) == (2, True), done.err
    assert not (tmp_path / "page.html").exists()


def test_data_that_has_changed_is_refused(run: Run, tmp_path: Path) -> None:
    source = Path(str(run.recipe.data.test))
    kept = source.read_bytes()
    try:
        images, labels = np.zeros((3, 8, 8), np.uint8), np.arange(3)
        np.savez(source, images=images, labels=labels)
        done = tenfold("explain", run.path, "--id", "1", "--out", tmp_path / "page.html")
    finally:
        source.write_bytes(kept)
    assert (done.code, "has changed since" in done.err) == (6, True)


def test_the_command_writes_a_page_and_pictures(run: Run, tmp_path: Path) -> None:
    page, figures = tmp_path / "page.html", tmp_path / "figures"
    id_ = str(run.predictions("test").ids[5])
    done = tenfold("explain", run.path, "--id", id_, "--out", page, "--figures", figures)
    assert done.code == 0, done.err
    assert done.out.startswith(f"image {id_}: read as ")
    names = {path.name for path in figures.iterdir()}
    assert {"filters.png", f"{id_}-layer-1-Conv2d.png"} <= names
    assert any(name.startswith(f"{id_}-grad-cam-") for name in names)
    with Image.open(figures / f"{id_}-layer-1-Conv2d.png") as picture:
        assert picture.width >= 500
    again = tenfold("explain", run.path, "--id", id_, "--out", page)
    assert (again.code, "exists; pass --force" in again.err) == (2, True)


def test_a_support_vector_machine_has_no_layers_to_look_into(run: Run, tmp_path: Path) -> None:
    recipe = parse_recipe('name = "fitted"\n[model]\nkind = "svm"\ncomponents = 30\ngamma = 0.5\n[data]\nlimit = 400\n')
    fitted = library.run(recipe, train=run.recipe.data.train, test=run.recipe.data.test, out=tmp_path, progress=False)
    assert 'href="#looks"' not in (fitted.path / "report.html").read_text()
    done = tenfold("explain", fitted.path, "--hardest", "1", "--out", tmp_path / "page.html")
    assert (done.code, "a model of the kind 'svm', which has no layers" in done.err) == (2, True)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_people_see_it(run: Run, tmp_path: Path, width: int, dark: bool) -> None:
    library.explain(run, hardest=3, out=tmp_path / "page.html")
    seen = drive(tmp_path / "page.html", VISIT, tmp_path, width=width, dark=dark)
    assert seen == {"images": 3, "pictures": True, "layers": True, "turned": True, "wide": False}


def test_the_report_shows_the_hardest_images(run: Run) -> None:
    page = (run.path / "report.html").read_text()
    assert page.count('<div class="explained">') == 6
    assert 'href="#looks"' in page
    assert 'href="#looks"' not in render(run, {})
