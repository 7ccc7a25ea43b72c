import re
import stat
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from _report_runs import RunMaker, digits, history, noise, predict
from tenfold.errors import IntegrityError
from tenfold.report import write_report
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import find_recipe, load_recipe

WRONG = {4: 9, 14: 9, 5: 3, 20: 6}  # row -> what it is read as; rows 4 and 14 show the digit 4


class Page(HTMLParser):
    """A page as a list of (tag, attributes) and its text without styles and scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("style", "script"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if self.stack and self.stack[-1] == tag:
            self.stack.pop()

    def handle_data(self, data):
        if not self.stack:
            self.words.append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]

    def tiles(self) -> list[dict[str, str | None]]:
        return [found for found in self.all("figure") if found.get("class") == "tile"]

    def sheets(self) -> int:
        return len(re.findall(r"url\(\"data:image/png;base64,", self.source))


@pytest.fixture
def labelled() -> tuple[Dataset, Predictions]:
    data = digits(300)
    return data, predict(data, WRONG)


def written(make_run: RunMaker, datasets, predictions, previews=None, **record) -> Page:
    return Page(write_report(make_run(predictions, **record), datasets, previews=previews))


def test_the_headline_gives_the_interval_and_the_errors(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made, "validation": made})
    assert "98.67 % test accuracy" in page.text
    assert "95 % interval 96.62 % to 99.48 % , 4 errors in 300 images" in page.text
    assert "Validation accuracy 98.67 %" in page.text
    assert "3 min 08 s" in page.text


def test_every_mistake_is_a_picture_with_id_truth_reading_and_confidence(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made})
    pairs = [(tile["data-true"], tile["data-predicted"]) for tile in page.tiles()]
    assert pairs == [("4", "9"), ("4", "9"), ("5", "3"), ("0", "6")]
    assert page.sheets() == 3  # the mistakes, the hardest, and the diagonal's
    assert "4 → 9 89.0 % 5" in page.text
    assert len([button for button in page.all("button") if "px mistake" in (button.get("class") or "")]) == 4


def test_cells_with_images_are_buttons_and_count_them(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made})
    cells = [cell for cell in page.all("button", tabindex="-1") if "data-true" in cell]
    counts = {(int(cell["data-true"]), int(cell["data-predicted"])): int(cell["data-count"]) for cell in cells}
    diagonal = {(k, k): int(((made.labels == k) & (made.predicted == k)).sum()) for k in range(10)}
    assert counts == {(4, 9): 2, (5, 3): 1, (0, 6): 1, **diagonal}
    assert "4 read as 9: 2 images" in [cell["aria-label"] for cell in cells]


def test_curves_show_every_member_and_mark_the_best_epoch(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made})
    kinds = [line["class"] for line in page.all("polyline")]
    assert kinds.count("train thin") == kinds.count("validation thin") == 4  # two members, two charts
    assert kinds.count("train mean") == kinds.count("validation mean") == 2
    assert len(page.all("line", class_="best")) == 3  # and the diagonal of the reliability diagram
    assert "Best and last 5" in page.text


def test_the_page_asks_nobody_for_anything(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made}, previews=data.images[:50])
    assert page.sheets() == 4
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form") or attributes.get("method") == "dialog"
        for name in ("src", "srcset", "href", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    addresses = re.findall(r"url\(([^)]{0,12})|(https?:)?//[\w.-]+\.\w", page.source)
    assert all(start.startswith('"data:') for start, _ in addresses)
    assert "@import" not in page.source
    policy = page.all("meta", http_equiv="Content-Security-Policy")[0]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")


def test_f18_names_are_text_never_markup(make_run):
    names = ("<script>alert(1)</script>", "\"'></style><img src=x onerror=alert(2)>", "{{ 7 * 7 }}", "=cmd()")
    data = noise(40, (1, 8, 8), 4, names)
    data = Dataset(data.images, data.labels, np.array([f"</script><b id=x{i}>" for i in range(40)]), names)
    finding = {
        "name": "<u>",
        "severity": "warning",
        "count": 1,
        "total": 40,
        "message": "<s>struck</s>",
        "ids": [["<em>"]],
    }
    source = {
        "source": "<script>/data",
        "images": 40,
        "image_shape": [1, 8, 8],
        "fingerprint": "<tt>",
        "notes": ["<q>"],
    }
    page = written(make_run, {"test": data}, {"test": predict(data, {0: 1, 1: 2})}, findings=[finding], train=source)
    assert len(page.all("script")) == 1
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"img", "s", "em", "tt", "q"})
    assert not page.all("b", id="x0")
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    for text in (
        *names,
        "<s>struck</s>",
        "<em>",
        "<script>/data",
        "</script><b id=x0>",
        "Wrong on purpose <b>& sure</b>.",
    ):
        assert text in page.text


def test_unlabelled_test_images_are_counted_and_validation_speaks(make_run, labelled):
    data, made = labelled
    blind = Predictions(made.ids, made.probabilities)
    held = data.take(range(100))
    page = written(
        make_run,
        {"test": data.without_labels(), "validation": held},
        {"test": blind, "validation": predict(held, {4: 9})},
    )
    assert "99.00 % validation accuracy" in page.text
    assert "The test images have no labels" in page.text
    assert "What was read in the test images" in page.text
    assert len(page.tiles()) == 1
    assert page.source.count('class="tile unsure-tile"') == 50


def test_without_any_labels_there_is_no_accuracy(make_run, labelled):
    data, made = labelled
    blind = Predictions(made.ids, made.probabilities)
    page = written(make_run, {"test": data.without_labels()}, {"test": blind}, histories=[history(3, validation=False)])
    assert "No accuracy" in page.text
    assert "matrix" not in {found.get("id") for found in page.all("table")}
    counts = np.bincount(made.predicted, minlength=10)
    assert f"0 {counts[0]}" in page.text and f"9 {counts[9]}" in page.text


def test_no_mistakes_is_said_plainly(make_run):
    data = digits(300)
    page = written(make_run, {"test": data}, {"test": predict(data, {})})
    assert "None: all 300 images were read right." in page.text
    assert "No image was misread." in page.text
    assert page.sheets() == 2
    assert not page.tiles()


@pytest.mark.parametrize("how", ["summary", "finding"])
def test_l06_a_leak_is_loud(make_run, labelled, how):
    data, made = labelled
    finding = {
        "name": "leakage",
        "severity": "leak",
        "count": 300,
        "total": 300,
        "message": "300 of 300 test rows are known",
        "ids": [],
    }
    record = {"leaked": True} if how == "summary" else {"findings": [finding]}
    page = written(make_run, {"test": data}, {"test": made}, **record)
    assert page.all("div", class_="banner", role="alert")
    assert "Leaked: these figures say nothing about new images." in page.text
    assert ("300 of 300 test rows are known." in page.text) == (how == "finding")


def test_without_a_leak_there_is_no_banner(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made})
    assert not page.all("div", class_="banner")


@pytest.mark.parametrize(("shape", "classes"), [((3, 32, 32), 26), ((1, 8, 8), 2)])
def test_any_shape_and_number_of_classes(make_run, shape, classes):
    data = noise(260, shape, classes)
    page = written(make_run, {"test": data}, {"test": predict(data, {row: (row + 1) % classes for row in range(52)})})
    assert len(page.all("table", id="matrix")) == 1
    assert len(page.tiles()) == 52
    assert ("px mistake grey" in page.source) == (shape[0] == 1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_ten_thousand_images_make_less_than_three_megabytes(make_run, shape):
    data = noise(10_000, shape, 10)
    wrong = {row: (row + 1 + row // 10 % 9) % 10 for row in range(9000)}
    path = write_report(make_run({"test": predict(data, wrong)}), {"test": data}, previews=data.images[:50])
    assert 0.5e6 < path.stat().st_size < 3e6


def test_without_images_the_mistakes_are_a_list(make_run, labelled):
    _, made = labelled
    page = written(make_run, {}, {"test": made})
    assert page.sheets() == 0
    assert len(page.tiles()) == 4
    assert "The images themselves were not at hand" in page.text


def test_class_names_come_from_training_where_the_test_set_does_not_know_them(make_run):
    data = noise(20, (1, 8, 8), 2, ("cat", "dog"))
    made = predict(data, {})
    blind = Dataset(data.images, None, data.ids, ())
    train = {"source": "photos", "class_names": ["cat", "dog"]}
    page = written(make_run, {"test": blind}, {"test": Predictions(made.ids, made.probabilities)}, train=train)
    assert "cat 10" in page.text


def test_images_of_other_rows_are_refused(make_run, labelled):
    data, made = labelled
    run = make_run({"test": made})
    with pytest.raises(ValueError, match="the ids of datasets\\['test'\\] are not those"):
        write_report(run, {"test": data.take(range(299))})
    assert not (run.path / "report.html").exists()


def test_a_damaged_record_is_named(make_run, labelled):
    data, made = labelled
    run = make_run({"test": made})
    (run.path / "summary.json").write_text('{"leaked": fal')
    with pytest.raises(IntegrityError, match=r"summary\.json"):
        write_report(run, {"test": data})


def test_the_same_run_gives_the_same_bytes_in_one_regular_file(make_run, labelled):
    data, made = labelled
    run = make_run({"test": made})
    before = set(run.path.iterdir())
    path = write_report(run, {"test": data})
    first = path.read_bytes()
    assert set(run.path.iterdir()) - before == {path}
    assert stat.S_ISREG(path.lstat().st_mode)
    assert write_report(run, {"test": data}).read_bytes() == first


def test_an_inexact_resume_is_said(make_run, labelled):
    data, made = labelled
    run = make_run({"test": made})
    assert "Not reproducible" not in write_report(run, {"test": data}).read_text("utf-8")
    (run.path / "resumed.json").write_text("{}")
    assert "Not reproducible" in write_report(run, {"test": data}).read_text("utf-8")


def test_every_control_has_a_name_and_headings_do_not_skip(make_run, labelled):
    data, made = labelled
    page = written(make_run, {"test": data}, {"test": made}, previews=data.images[:50])
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))
    for found in page.all("a"):
        assert found["href"].removeprefix("#") in ids
    for _, found in page.tags:
        if "aria-labelledby" in found:
            assert found["aria-labelledby"] in ids
    for found in page.all("button", class_="quiet"):
        assert found["aria-label"]


def test_what_was_learnt_from_held_out_rows_stands_beside_the_test_set(make_run, labelled):
    data, made = labelled
    validation = predict(digits(200), {1: 2, 3: 4})
    page = written(make_run, {"test": data}, {"test": made, "validation": validation})
    assert "Answering only from a confidence of" in page.text
    assert "The difference between test and validation: no significant difference (p = " in page.text
    alone = written(make_run, {"test": data}, {"test": made})
    assert "No rows were held out" in alone.text
    assert "Answering only" not in alone.text


def test_members_stand_beside_the_vote_of_all(make_run, labelled):
    data, made = labelled
    run = make_run({"test": made})
    for member, wrong in enumerate([WRONG, WRONG | dict.fromkeys(range(20, 60), 1)]):
        predict(data, wrong).save(run.member_path(member) / "test.npz")
    page = Page(write_report(run, {"test": data, "train": digits(100)}))
    assert "member 1" in page.text
    assert "all better, p < 0.001" in page.text  # the vote beside the second member
    assert "Two members differ on" in page.text
    assert page.sheets() == 4  # mistakes, hardest, the diagonal's, and the training images that mistakes resemble


def without_the_run(page: Page) -> str:
    """The page without the one section that is named as depending on time and machine."""
    found = re.sub(r'<section id="run".*?</section>', "", page.source, flags=re.DOTALL)
    assert found != page.source
    return found


def test_two_runs_of_a_recipe_have_the_same_report_to_the_byte_apart_from_the_section_run(make_run, labelled):
    data, made = labelled
    first = make_run({"test": made, "validation": made})
    second = make_run({"test": made, "validation": made})
    assert first.path != second.path
    (second.path / "summary.json").write_text('{"seconds": {"read": 9.5, "train": 99.0}, "leaked": false}')
    (second.path / "environment.json").write_text('{"tenfold": "0.1.0", "torch": "2.13.0", "cpu": {"cores": 64}}')
    for member in (0, 1):
        (second.member_path(member) / "timing.json").write_text('{"seconds": 1.5, "peak_rss_bytes": 5}')
    pages = [Page(write_report(run, {"test": data})) for run in (first, second)]
    assert pages[0].source != pages[1].source
    assert without_the_run(pages[0]) == without_the_run(pages[1])
    assert Page(write_report(first, {"test": data})).source == pages[0].source


def test_no_path_of_this_machine_is_on_the_page(make_run, labelled):
    data, made = labelled
    source = {"source": "/home/somebody/data/train.csv", "images": 300, "notes": [r"joined from C:\me\x.csv"]}
    note = {"name": "scale", "severity": "note", "count": 0, "message": "read /srv/secret/place/x.npz as it is"}
    page = written(make_run, {"test": data}, {"test": made}, train=source, findings=[note])
    assert "train.csv" in page.text
    assert "read x.npz as it is" in page.text
    for path in ("/home/somebody", "/srv/secret", "C:"):
        assert path not in page.source


def test_a_claim_stands_only_above_a_run_that_it_is_about(make_run, labelled):
    data, made = labelled
    shipped = load_recipe(find_recipe("quick"))
    assert shipped.claim
    for overrides, source, is_shown in (
        ([], "mnist", True),
        ([], "shapes", False),
        (["train.epochs=1"], "mnist", False),
    ):
        run = make_run({"test": made}, train={"source": source})
        (run.path / "recipe.toml").write_text(shipped.overridden(overrides).to_toml())
        page = Page(write_report(run, {"test": data}))
        assert ("Claim: " in page.text) == is_shown


def test_members_without_epochs_are_counted_and_not_averaged(make_run, labelled):
    data, made = labelled
    single = [{"epoch": 1, "train_loss": 0.007, "train_accuracy": 1.0, "validation_loss": 0.3}]
    run = make_run({"test": made}, histories=(history(5), single))
    mixed = 'name = "mixed"\n[[model]]\nkind = "network"\nlayers = "8C3 SOFTMAX10"\n[[model]]\nkind = "nystroem"\n'
    (run.path / "recipe.toml").write_text(mixed)
    page = Page(write_report(run, {"test": data}))
    assert "1 member without epochs, such as a kernel machine, is not in these figures." in page.text
    assert "0.0070" not in page.text
