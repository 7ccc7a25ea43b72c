"""From a cross-validation to suspected labels, to a person's decisions, to data with these labels."""

import json
from pathlib import Path

import numpy as np
import pytest

import tenfold as library
from _browser import CHROMIUM, drive
from _command_line import tenfold
from _report_runs import digits
from tenfold.bundle.submission import answers_csv
from tenfold.data.convert import convert
from tenfold.files import make_directory, write_json
from tenfold.report.question_pages import write_label_page
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run

CHANGED = [5, 50, 250]

DECIDE = """
const items = [...document.querySelectorAll("#items > li")];
const save = document.getElementById("save");
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const log = { items: items.length, disabled: save.disabled };
log.pictures = items.every((item) => getComputedStyle(item.querySelector(".px")).backgroundImage.startsWith("url"));
items[0].focus();
press("r");
log.next = document.activeElement === items[1];
press("ArrowUp"); press("ArrowDown");
press("c");
items[2].querySelector("button[data-decision=keep]").click();
press("7");
log.count = document.getElementById("count").textContent;
const event = new CustomEvent("table", { detail: {} });
document.getElementById("items").dispatchEvent(event);
log.table = event.detail.text;
log.enabled = !save.disabled;
log.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
return log;
"""


@pytest.fixture(scope="module")
def data() -> Dataset:
    true = digits(300)
    labels = true.labels.copy()
    labels[CHANGED] = (labels[CHANGED] + 1) % 10
    return Dataset(true.images, labels, true.ids, true.class_names)


@pytest.fixture(scope="module")
def seen(data: Dataset) -> Predictions:
    logits = np.random.default_rng(1).normal(size=(300, 10)) * 0.3 + 6 * np.eye(10)[digits(300).labels]
    logits[CHANGED] += np.eye(10)[digits(300).labels[CHANGED]]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(data.ids, probabilities.astype(np.float32), data.labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Dataset, seen: Predictions) -> Path:
    """The data and their predictions in every form: as files, and as the runs that made them."""
    folder = tmp_path_factory.mktemp("labels")
    convert(data, folder / "train.npz")
    seen.save(folder / "seen.npz")
    (folder / "seen.csv").write_text(answers_csv(seen, data.class_names))
    fingerprint = library.load(folder / "train.npz").fingerprint()
    other = {"fingerprint": "0" * 64, "class_names": list(data.class_names)}
    here = other | {"fingerprint": fingerprint}
    for name, stored, record in (
        ("cv", "oof", {"train": here, "test": None}),
        ("held", "validation", {"train": here, "test": None}),
        ("tested", "test", {"train": other, "test": here}),
        ("elsewhere", "test", {"train": other, "test": other}),
        ("nothing", "test", {"train": here, "test": None}),
    ):
        run = Run.at(folder / name, parse_recipe('name = "small"\n[model]\nlayers = "SOFTMAX10"\n'))
        make_directory(run.path / "predictions")
        seen.save(run.path / "predictions" / f"{stored}.npz")
        write_json(run.path / "data.json", record)
    return folder


@pytest.mark.parametrize("source", ["cv", "held", "tested", "seen.npz", "seen.csv"])
def test_any_predictions_of_rows_not_learnt_from_will_do(folder: Path, source: str) -> None:
    found = library.review_labels(folder / "train.npz", folder / source)
    assert sorted(found.rows.tolist()) == CHANGED


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("elsewhere", 6, "was trained and tested on other data: the fingerprint here is"),
        ("nothing", 2, "has no predictions of rows that it did not learn from; cross-validate: tenfold cv"),
        ("nowhere", 2, "is neither a run, nor a .npz or .csv file of predictions"),
        ("train.npz", 6, "is not a readable predictions file"),
    ],
)
def test_what_is_not_about_these_data_is_refused(
    folder: Path, tmp_path: Path, source: str, code: int, message: str
) -> None:
    page = tmp_path / "page.html"
    done = tenfold("data", "review", folder / "train.npz", "--oof", folder / source, "--out", page)
    assert (done.code, message in done.err) == (code, True), done.err
    assert not page.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,p(0)\n", ":1: found no column 'p(1)'"),
        ("{header}\n1,{good}\n2,0.5\n", ":3: found 2 cells, expected 11"),
        ("{header}\n1,x{good}\n", ":2:2(p(0)): found 'x0.1', expected a probability"),
        ("{header}\n1,{good}\n2,1{good}\n", ":3:2(p(0)): found '10.1', expected a probability"),
        ("{header}\n1,{zero}\n", ":2: found probabilities that add up to 0.0000, expected 1"),
    ],
)
def test_a_table_of_predictions_is_read_strictly(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    header = "id," + ",".join(f"p({k})" for k in range(10))
    table = tmp_path / "table.csv"
    table.write_text(text.format(header=header, good=",".join(["0.1"] * 10), zero=",".join(["0"] * 10)))
    done = tenfold("data", "review", folder / "train.npz", "--oof", table, "--out", tmp_path / "page.html")
    assert (done.code, f"table.csv{message}" in done.err) == (3, True), done.err


def test_checks_show_suspected_labels(folder: Path, tmp_path: Path) -> None:
    done = tenfold(
        "data", "check", folder / "train.npz", "--quick", "--oof", folder / "cv", "--csv", tmp_path / "ids.csv"
    )
    assert done.code == 0, done.err
    assert "warning  suspected-labels: the labels of 3 of 300 images (1.00%) are probably wrong" in done.out
    lines = (tmp_path / "ids.csv").read_text().splitlines()
    assert {line.split(",")[4] for line in lines if line.startswith("suspected-labels")} == {"6", "51", "251"}
    page = tmp_path / "explore.html"
    found = library.explore(folder / "train.npz", maps=(), oof=folder / "cv", out=page, progress=False)
    assert [finding.count for finding in found.findings if finding.name == "suspected-labels"] == [3]
    assert "suspected-labels" in page.read_text()


def test_json_lists_them_worst_first(folder: Path) -> None:
    done = tenfold("data", "review", folder / "train.npz", "--oof", folder / "cv", "--json")
    found = json.loads(done.out)
    assert found["judged"] == 300
    assert [one["id"] for one in found["suspects"]] == [
        row + 1 for row in library.review_labels(folder / "train.npz", folder / "cv").rows.tolist()
    ]
    shares = [one["probability"] for one in found["suspects"]]
    assert shares == sorted(shares)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_person_decides_and_the_data_are_changed(folder: Path, tmp_path: Path, width: int, dark: bool) -> None:
    page = tmp_path / "labels.html"
    done = tenfold("data", "review", folder / "train.npz", "--oof", folder / "cv", "--out", page)
    assert done.out.startswith("3 of 300 labels are suspected")
    seen = drive(page, DECIDE, tmp_path, width=width, dark=dark)
    table = seen.pop("table")
    assert seen == {
        "items": 3, "disabled": True, "pictures": True, "next": True, "count": "3 of 3", "enabled": True, "wide": False,
    }  # fmt: skip
    rows = [line.split(",") for line in table.splitlines()]
    assert rows[0] == ["id", "label", "decision", "new_label"]
    assert [row[2] for row in rows[1:]] == ["relabel", "cannot tell", "relabel"]
    assert rows[3][3] == "7"
    (tmp_path / "labels.csv").write_text(table)
    how = ["--labels", tmp_path / "labels.csv", "--drop-unclear"]
    done = tenfold("data", "convert", folder / "train.npz", tmp_path / "mended.npz", *how)
    assert done.code == 0, done.err
    mended, before = library.load(tmp_path / "mended.npz"), library.load(folder / "train.npz")
    assert len(mended) == 299
    kept = np.delete(np.arange(300), int(rows[2][0]) - 1)
    np.testing.assert_array_equal(mended.images, before.images[kept])
    expected = before.labels.copy()
    expected[int(rows[1][0]) - 1] = digits(300).labels[int(rows[1][0]) - 1]
    expected[int(rows[3][0]) - 1] = 7
    np.testing.assert_array_equal(mended.labels, expected[kept])
    again = tenfold(
        "data", "convert", tmp_path / "mended.npz", tmp_path / "again.npz", "--labels", tmp_path / "labels.csv"
    )
    assert (again.code, "were applied before" in again.err) == (3, True)
    assert not (tmp_path / "again.npz").exists()


def test_dropping_needs_decisions(folder: Path, tmp_path: Path) -> None:
    done = tenfold("data", "convert", folder / "train.npz", tmp_path / "out.npz", "--drop-unclear")
    assert (done.code, "name it with --labels" in done.err) == (2, True)


def test_a_page_without_suspects_and_a_page_with_more_than_fit(
    data: Dataset, seen: Predictions, tmp_path: Path
) -> None:
    none = library.review_labels(digits(300), seen, out=tmp_path / "none.html")
    assert len(none) == 0
    assert "None: nothing needs a decision." in (tmp_path / "none.html").read_text()
    many = library.review_labels(data, seen)
    write_label_page(many, tmp_path / "two.html", "<b>it</b>", most=2)
    page = (tmp_path / "two.html").read_text()
    assert page.count('class="px suspect') == 2
    assert "The first 2 are on this page." in page
    assert "&lt;b&gt;it&lt;/b&gt;" in page


def test_the_page_says_the_command_that_applies_the_decisions(data: Dataset, seen: Predictions, tmp_path: Path) -> None:
    found = library.review_labels(data, seen)
    for source, command in (("my data.npz", "data convert &#39;my data.npz&#39; OUT"), (None, "data convert DATA OUT")):
        write_label_page(found, tmp_path / "page.html", source)
        assert command in (tmp_path / "page.html").read_text()
