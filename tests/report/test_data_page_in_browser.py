"""The page about a data set as people use it: points, zoom, hover, filters, selections, and a silent network."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from _browser import CHROMIUM, drive
from _report_runs import predict
from tenfold.exploration.examine import Exploration, Map, examine
from tenfold.exploration.statistics import pixels
from tenfold.report.explore_page import write_data_page
from tenfold.values.dataset import Dataset

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")]

NAMES = tuple("0123456789")
LIGHT, DARK = "rgb(251, 250, 248)", "rgb(20, 21, 25)"

HELPERS = """
const $ = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const ready = async () => { while (!document.documentElement.dataset.ready) await new Promise((go) => setTimeout(go, 10)); };
const map = $("#map-points");
const shown = () => Number(map.dataset.shown);
const at = (type, x, y, more = {}) => map.dispatchEvent(new PointerEvent(type, {
  bubbles: true, cancelable: true, pointerId: 1, clientX: map.getBoundingClientRect().left + x,
  clientY: map.getBoundingClientRect().top + y, ...more}));
const drag = (from, to, more) => {
  at("pointerdown", ...from, {buttons: 1, ...more});
  at("pointermove", ...to, {buttons: 1, ...more});
  at("pointerup", ...to, more);
};
const press = (key) => map.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const ink = (canvas) => { // how many pixels are not the commonest colour
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const words = new Uint32Array(data.buffer);
  return words.filter((word) => word !== words[0]).length;
};
await ready();
"""

VISIT = """
const seen = {};
const {width, height} = map.getBoundingClientRect();
seen.first = {shown: shown(), wait: $("#map-wait").hidden, ink: ink(map) > 1000, selection: $("#selection").hidden};

$('#split-choice [data-split="1"]').click();
seen.test = shown();
$('#split-choice [data-split=""]').click();
const chips = all("#map-classes button");
chips[3].click();
seen.without3 = shown();
chips[3].click();
chips[7].dispatchEvent(new MouseEvent("dblclick"));
seen.only7 = shown();
chips[7].dispatchEvent(new MouseEvent("dblclick"));
seen.again = shown();

drag([1, 1], [width - 1, height - 1], {shiftKey: true});
seen.everything = {
  title: $("#selection-title").textContent,
  tiles: all("#selection-tiles figure").length,
  classes: $("#selection-classes").textContent,
};
$("#selection-clear").click();
drag([1, 1], [width / 2, height / 2], {shiftKey: true});
seen.quarter = $("#selection-title").textContent;
press("Escape");
seen.cleared = $("#selection").hidden;
$('[data-tool="select"]').click();
drag([width / 2, 1], [width - 1, height - 1]);
seen.tool = $("#selection").hidden;
const link = [];
const click = HTMLAnchorElement.prototype.click;
HTMLAnchorElement.prototype.click = function () { link.push([this.download, this.href]); };
$("#selection-csv").click();
$("[data-finding]").click();
HTMLAnchorElement.prototype.click = click;
seen.files = link.map(([name, address]) => [name, address.slice(0, 5)]);
$('[data-tool="select"]').click();
$("#selection-clear").click();

let found = false;
for (let x = 0; x < width && !found; x += 5) for (let y = 0; y < height && !found; y += 5) {
  at("pointermove", x, y);
  found = Number(map.dataset.row) >= 0;
}
seen.hover = {
  card: !$("#map-card").hidden,
  label: $("#map-card b").textContent,
  id: $("#map-card span").textContent,
  ink: ink($("#map-card canvas")) > 5,
  row: Number(map.dataset.row),
};
at("pointerleave", 0, 0);
seen.left = $("#map-card").hidden;

for (let i = 0; i < 5; i++) press("+");
seen.near = {fewer: shown() < seen.first.shown, images: map.dataset.images, shown: shown()};
press("0");
seen.fit = [shown(), map.dataset.images];
drag([width / 2, height / 2], [width / 2 + 3 * width, height / 2]);
seen.away = shown();
press("0");
$('#map-choice [data-map="0"]').click();
seen.notes = all("[data-note]").filter((note) => !note.hidden).length;

seen.strips = {
  samples: all("#sample-tiles figure").length,
  nearest: all("#classes .strip")[0].children.length,
  ink: ink($("#sample-tiles canvas")) > 5,
};
$("#sample-more").click();
seen.more = all("#sample-tiles figure").length;
$("#sample-class").value = "4";
$("#sample-class").dispatchEvent(new Event("change"));
seen.fours = [...new Set(all("#sample-tiles b").map((b) => b.textContent))];
seen.planted = all("#quality .group").length > 0;

const colour = () => [...map.getContext("2d").getImageData(0, 0, 1, 1).data].slice(0, 3);
seen.papers = [[getComputedStyle(document.body).backgroundColor, colour()]];
$("#theme").click();
await new Promise((go) => setTimeout(go, 50));
seen.papers.push([getComputedStyle(document.body).backgroundColor, colour()]);
return seen;
"""


def digits() -> Dataset:
    loaded = load_digits()
    images = (loaded.images * 15).astype(np.uint8)[:, None]
    images[900] = images[3]
    return Dataset(images, loaded.target.astype(np.int64), np.arange(1, len(images) + 1), NAMES)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page about 1,000 labelled and 300 further digits."""
    data = digits()
    found = examine(data.take(range(1000)), data.take(range(1000, 1300)))
    return write_data_page(found, tmp_path_factory.mktemp("page") / "explore.html", "digits")


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    """What one visit shows, step by step."""
    return drive(page, HELPERS + VISIT, tmp_path_factory.mktemp("browser"))


def test_every_image_is_a_point(seen) -> None:
    assert seen["first"] == {"shown": 1300, "wait": True, "ink": True, "selection": True}


def test_classes_and_sets_are_filtered(seen) -> None:
    labels = digits().labels[:1300]
    assert seen["test"] == 300
    assert seen["without3"] == 1300 - (labels == 3).sum()
    assert seen["only7"] == (labels == 7).sum()
    assert seen["again"] == 1300


def test_a_region_is_selected_and_its_ids_are_saved(seen) -> None:
    assert seen["everything"]["title"] == "1,300 images selected"
    assert seen["everything"]["tiles"] == 120
    assert "4: " in seen["everything"]["classes"]
    assert 0 < int(seen["quarter"].split()[0].replace(",", "")) < 1300
    assert seen["cleared"] is True
    assert seen["tool"] is False
    assert [name for name, _ in seen["files"]] == ["selection.csv", "label-conflicts.csv"]
    assert {address for _, address in seen["files"]} == {"blob:"}


def test_the_pointer_shows_image_label_and_id(seen) -> None:
    hover = seen["hover"]
    data = digits()
    assert hover["card"] is True
    assert hover["ink"] is True
    assert hover["label"] == str(data.labels[hover["row"]])
    assert hover["id"] == f"{'train' if hover['row'] < 1000 else 'test'} {data.ids[hover['row']]}"
    assert seen["left"] is True


def test_near_points_become_images_and_zero_shows_all(seen) -> None:
    assert seen["near"]["images"] == "true"
    assert 0 < seen["near"]["shown"] <= 400
    assert seen["fit"] == [1300, "false"]
    assert seen["away"] == 0
    assert seen["notes"] == 1


def test_strips_show_images(seen) -> None:
    assert seen["strips"] == {"samples": 30, "nearest": 10, "ink": True}
    assert seen["more"] == 90
    assert seen["fours"] == ["4"]
    assert seen["planted"] is True


def test_the_map_follows_the_theme(seen) -> None:
    assert seen["papers"] == [[LIGHT, [255, 255, 255]], [DARK, [27, 29, 34]]]


@pytest.mark.parametrize("width", [320, 1600])
def test_nothing_sticks_out_in_the_dark(page, tmp_path, width: int) -> None:
    measure = "const root = document.documentElement; return [innerWidth, root.scrollWidth - root.clientWidth];"
    assert drive(page, HELPERS + measure, tmp_path, width=width, dark=True) == [width, 0]


def test_nothing_is_loaded_and_requests_are_refused(page, tmp_path) -> None:
    intrude = """
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
    await fetch("http://127.0.0.1:9/").catch(() => null);
    await new Promise((go) => setTimeout(go, 50));
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    return {refused, loaded: loaded.filter((name) => !name.startsWith("data:") && !name.startsWith("http://127.0.0.1:9/"))};
    """
    assert drive(page, HELPERS + intrude, tmp_path) == {"refused": ["connect-src"], "loaded": []}


def test_seventy_thousand_points_are_drawn_within_50_ms(tmp_path) -> None:
    data = digits()
    rows = np.arange(70_000) % len(data)
    many = Dataset(data.images[rows], data.labels[rows], np.arange(70_000), NAMES)
    places = np.random.default_rng(0).normal(size=(70_000, 2)).astype(np.float32) + many.labels[:, None]
    found = Exploration(
        splits={"train": many},
        pixels={"train": pixels(many.images)},
        measures={"train": examine(data.take(range(10))).measures["train"]},
        labels=None,
        class_ink=None,
        classes=[],
        pca=None,
        shrunk=1,
        maps=[Map("made up", places, None, "")],
        fitted={},
        findings=[],
        pca_shift=None,
        seconds={},
    )
    path = write_data_page(found, tmp_path / "explore.html", "many")
    assert path.stat().st_size < 12e6
    redraw = """
    const times = [];
    for (let i = 0; i < 20; i++) { press(i % 2 ? "-" : "+"); times.push(Number(map.dataset.milliseconds)); }
    return [shown(), Math.min(...times)];
    """
    points, best = drive(path, HELPERS + redraw, tmp_path)  # what else runs only adds
    assert points == 70_000
    assert best < 50


LOOK = """
const seen = {};
const drawn = () => map.toDataURL();
const before = drawn();
$('[data-colour="mistake"]').click();
seen.coloured = drawn() !== before;
seen.key = $("#colour-key").textContent;
$('[data-colour="class"]').click();
seen.again = drawn() === before && $("#colour-key").hidden;
location.hash = "#image=train:" + encodeURIComponent("digit/7 &.png");
await new Promise((go) => setTimeout(go, 200));
seen.selected = $("#selection-title").textContent;
seen.link = $("#selection-tiles a").getAttribute("href");
seen.near = map.dataset.images;
seen.first = all("#sample-tiles figure b").slice(0, 10).map((name) => name.textContent).join("");
return seen;
"""


def test_the_map_is_coloured_by_mistake_and_a_mistake_is_found_on_it_and_in_the_report(tmp_path) -> None:
    data = digits().take(range(300))
    order = np.argsort(data.labels, kind="stable")  # a folder: one class after another
    ids = np.array([f"digit/{place} &.png" for place in range(300)])
    train = replace(data.take(order), ids=ids)
    wrong = predict(train, {7: (int(train.labels[7]) + 1) % 10})
    page = write_data_page(examine(train), tmp_path / "explore.html", "digits", {"train": wrong}, "report.html")
    seen = drive(page, HELPERS + LOOK, tmp_path)
    assert seen == {
        "coloured": True,
        "key": "misreadright, or not judged",
        "again": True,
        "selected": "1 image selected",
        "link": "report.html#image=digit%2F7%20%26.png",
        "near": "true",
        "first": "0123456789",
    }
