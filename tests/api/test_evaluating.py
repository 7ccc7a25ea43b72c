"""A model judged by labelled images: from Python, from the command line, and on its page."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix

import tenfold as library
from _browser import CHROMIUM, drive
from _command_line import tenfold
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

VISIT = """
const seen = {};
const visible = (list) => [...list].filter((e) => e.checkVisibility()).length;
const cell = document.querySelector("#matrix td.e button");
cell.click();
seen.cell = visible(document.querySelectorAll("#cell-tiles .tile")) === Number(cell.dataset.count);
const choose = (id, value) => { document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("change")); };
choose("filter-true", cell.dataset.true); choose("filter-predicted", cell.dataset.predicted);
seen.pair = visible(document.querySelectorAll("#tiles .tile")) === Number(cell.dataset.count);
document.querySelector("#tiles .tile:not([hidden]) .px").click();
const dialog = document.getElementById("zoom");
seen.zoom = dialog.open;
seen.votes = dialog.querySelectorAll(".votes b").length;
seen.neighbours = dialog.querySelectorAll(".near figure").length;
dialog.close();
const pictured = (e) => getComputedStyle(e).backgroundImage.startsWith("url");
seen.worn = [...document.querySelectorAll(".worn-px")].filter(pictured).length;
const before = getComputedStyle(document.body).backgroundColor;
document.getElementById("theme").click();
seen.turned = getComputedStyle(document.body).backgroundColor !== before;
seen.epochs = [document.getElementById("epoch").max, document.querySelectorAll("#evolution td.d").length > 0];
seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
return seen;
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's digits, two thirds to learn from."""
    folder = tmp_path_factory.mktemp("evaluating")
    images, labels = load_digits(return_X_y=True)
    pixels = (images * 15.9375).astype(np.uint8).reshape(-1, 8, 8)
    for name, rows in (("train", slice(0, 1200)), ("test", slice(1200, None))):
        np.savez(folder / f"{name}.npz", images=pixels[rows], labels=labels[rows])
    np.savez(folder / "unlabelled.npz", images=pixels[1200:])
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Two small networks that have learnt a little of them."""
    recipe = library.load_recipe(
        "quick", ["model.layers=8C3 BN MP2 FLAT 16 SOFTMAX", "train.epochs=2", "ensemble.members=2"]
    )
    how = {"train": folder / "train.npz", "test": folder / "test.npz", "out": folder / "runs", "executor": "local"}
    return library.run(recipe, progress=False, **how)  # type: ignore[arg-type]


def test_the_figures_are_those_of_the_run(run: Run, folder: Path) -> None:
    found = library.evaluate(run, folder / "test.npz")
    expected = run.predictions("test")
    np.testing.assert_allclose(found.predictions.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_array_equal(
        found.confusion, confusion_matrix(expected.labels, expected.predicted, labels=range(10))
    )
    for member, probabilities in enumerate(found.members):
        of_member = Predictions.load(run.member_path(member) / "test.npz").probabilities
        np.testing.assert_allclose(probabilities, of_member, atol=1e-5)
    assert found.validation is not None
    assert found.confidence is not None
    assert found.confidence.images == len(found.validation)
    assert found.leak is not None
    assert not found.is_leaked


def test_a_bundle_alone_knows_its_temperature_but_no_training_images(run: Run, folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "moved"
    (run.path / "bundle").rename(alone)
    try:
        bare = library.evaluate(alone, folder / "test.npz", out=tmp_path / "bare.html")
        beside = library.evaluate(alone, folder / "test.npz", train=folder / "train.npz", out=tmp_path / "beside.html")
        opened = library.evaluate(library.Bundle.open(alone), library.load(folder / "test.npz"))
    finally:
        alone.rename(run.path / "bundle")
    assert bare.confidence is not None
    assert bare.validation is None
    assert len(bare.members) == 2
    assert opened.score == beside.score == bare.score
    assert 'class="near"' not in (tmp_path / "bare.html").read_text()
    assert 'class="near"' in (tmp_path / "beside.html").read_text()


def test_images_that_the_model_learnt_from_are_called_a_leak(run: Run, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = tenfold("evaluate", run.path, folder / "train.npz", "--out", page)
    assert done.code == 0
    assert "!!! LEAKAGE" in done.out
    assert 'role="alert"' in page.read_text()
    data = library.load(folder / "train.npz")
    assert library.evaluate(library.Bundle.open(run.path), data).is_leaked  # by the fingerprint alone


def test_the_command_prints_figures_and_writes_page_and_table(run: Run, folder: Path, tmp_path: Path) -> None:
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    done = tenfold("evaluate", run.path, folder / "test.npz", "--out", page, "--csv", table)
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[:6]] == [
        "accuracy", "log-loss", "temperature", "if", "members", "confused",
    ]  # fmt: skip
    rows = list(csv.DictReader(table.read_text().splitlines()))
    expected = run.predictions("test")
    assert len(rows) == len(expected)
    assert [row["right"] == "yes" for row in rows] == expected.correct.tolist()
    assert [int(row["truth"]) for row in rows] == expected.labels.tolist()
    assert all(len(row["votes"].split()) == 2 for row in rows)
    assert sum(float(rows[0][f"p({k})"]) for k in range(10)) == pytest.approx(1, abs=1e-5)
    again = tenfold("evaluate", run.path, folder / "test.npz", "--out", page)
    assert (again.code, "exists; pass --force" in again.err) == (2, True)


def test_json_has_all_figures_and_writes_no_page(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tenfold("evaluate", run.path, folder / "test.npz", "--json")
    assert json.loads(done.out) == library.evaluate(run, folder / "test.npz").as_dict()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["unlabelled.npz"],
            3,
            "images without labels, expected labels to judge the answers by; `tenfold predict` needs none",
        ),
        (["nowhere.npz"], 3, "no such file"),
        (["test.npz", "--out", "no/such/page.html"], 2, "is no folder"),
        (["test.npz", "--role", "both"], 2, "expected train or test"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, folder: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    source, *options = arguments
    done = tenfold("evaluate", run.path, folder / source, *(options or ["--out", tmp_path / "page.html"]))
    assert (done.code, message in done.err) == (code, True), done.err
    assert not (tmp_path / "page.html").exists()


def test_images_of_another_size_are_refused(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "large.npz", images=np.zeros((3, 9, 9), np.uint8), labels=np.arange(3))
    done = tenfold("evaluate", run.path, tmp_path / "large.npz", "--out", tmp_path / "page.html")
    assert done.code in (3, 6)
    assert "9" in done.err


def test_corruptions_stand_in_the_output_in_json_and_on_the_page(run: Run, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    how = ["--robustness", "--robustness-images", "30"]
    done = tenfold("--quiet", "evaluate", run.path, folder / "test.npz", *how, "--out", page)
    assert done.code == 0, done.err
    assert done.err == ""
    assert "jpeg_compression" in done.out
    assert "30 images: clean" in done.out
    html = page.read_text()
    assert html.count('<i class="px worn-px grey"') == 120
    assert 'href="#robustness"' in html
    found = json.loads(tenfold("evaluate", run.path, folder / "test.npz", "--json", *how).out)["robustness"]
    assert [len(row["levels"]) for row in found["corruptions"]] == [5] * 24
    some = library.evaluate(run, folder / "test.npz", robustness=["rotate"], robustness_images=None, progress=False)
    assert some.robustness is not None
    assert some.robustness.images == 597
    assert some.robustness.clean == some.score.accuracy


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_people_use_the_page(run: Run, folder: Path, tmp_path: Path, width: int, dark: bool) -> None:
    how = {"robustness": ["rotate", "fog"], "robustness_images": 50, "progress": False}
    library.evaluate(run, folder / "test.npz", out=tmp_path / "page.html", **how)  # type: ignore[arg-type]
    seen = drive(tmp_path / "page.html", VISIT, tmp_path, width=width, dark=dark)
    assert seen == {
        "cell": True,
        "pair": True,
        "zoom": True,
        "votes": 2,
        "neighbours": 3,
        "worn": 10,
        "turned": True,
        "epochs": ["1", True],
        "wide": False,
    }
