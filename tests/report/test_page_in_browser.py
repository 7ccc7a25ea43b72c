"""The page as people use it: clicks, keys, themes, widths, and a network that must stay silent."""

import socket
import threading

import pytest

from _browser import CHROMIUM, drive
from _report_runs import RunMaker, digits, predict
from tenfold.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")]

HELPERS = """
const $ = (selector) => document.querySelector(selector);
const visible = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).length;
const press = (key, target) => target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const choose = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("change")); };
const paper = () => getComputedStyle(document.body).backgroundColor;
"""

VISIT = """
const seen = {};
seen.first = {tiles: visible("#tiles .tile"), panels: visible("#cell")};

const cell = $('#matrix button[data-true="4"][data-predicted="9"]');
cell.click();
seen.cell = {
  tiles: visible("#cell-tiles .tile"),
  foreign: visible('#cell-tiles .tile:not([data-true="4"][data-predicted="9"])'),
  title: $("#cell-title").textContent,
  pressed: cell.getAttribute("aria-pressed"),
  picture: getComputedStyle($("#cell-tiles .px")).backgroundImage.slice(0, 20),
};
$("#cell-tiles .px").click();
seen.zoom = {open: $("#zoom").open, title: $("#zoom-title").textContent, truth: $("#zoom li.truth b").textContent};
seen.beside = {
  votes: $("#zoom .votes").textContent,
  near: visible("#zoom .near figure"),
  label: $("#zoom .near figcaption").textContent,
};
$("#zoom").close();
const sure = $('#matrix button[data-true="7"][data-predicted="7"]');
sure.click();
seen.right = {
  tiles: visible("#cell-tiles .tile"),
  foreign: visible('#cell-tiles .tile:not([data-true="7"][data-predicted="7"])'),
  title: $("#cell-title").textContent,
  pressed: sure.getAttribute("aria-pressed"),
  picture: getComputedStyle($("#cell-tiles .px")).backgroundImage.slice(0, 20),
};
$("#cell-tiles .px").click();
seen.right.zoom = $("#zoom li.truth b").textContent;
$("#zoom").close();
cell.click();
$("#cell-close").click();
seen.closed = {panels: visible("#cell"), pairs: visible("#pairs"), focus: document.activeElement === cell};

press("ArrowDown", cell);
seen.arrow = {...document.activeElement.dataset};
seen.stops = document.querySelectorAll('#matrix button[tabindex="0"]').length;
$('.pairs button[data-true="4"]').click();
seen.pair = {tiles: visible("#cell-tiles .tile"), focus: document.activeElement.id};
press("Escape", document.activeElement);
seen.escaped = {panels: visible("#cell"), focus: document.activeElement.parentElement.parentElement.className};
$('#matrix button[data-true="5"][data-predicted="3"]').click();
seen.beyond = visible("#cell-tiles .tile");

const cells = [...document.querySelectorAll(".numbers td")].map((cell) => getComputedStyle(cell).fontSize);
seen.sizes = {verdicts: document.querySelectorAll(".numbers td.verdict").length, kinds: new Set(cells).size};

$("#more").click();
seen.all = visible("#tiles .tile");
choose("#filter-true", "4");
seen.truth = {tiles: visible("#tiles .tile"), said: $("#shown").textContent};
choose("#filter-predicted", "3");
seen.nothing = {tiles: visible("#tiles .tile"), said: $("#shown").textContent};

seen.count = $("#matrix td.d button").innerText;
$('.segmented [data-mode="share"]').click();
seen.share = $("#matrix td.d button").innerText;
$('.segmented [data-mode="column"]').click();
seen.column = $("#matrix td.d button").innerText;

const slide = (value) => { $("#epoch").value = value; $("#epoch").dispatchEvent(new Event("input")); };
const evolved = () => [
  "#epoch-said", "#evolution tbody tr:nth-child(5) td:nth-child(11)", "#evolution td.d",
].map((place) => $(place).textContent);
seen.evolution = [evolved()];
slide(0);
seen.evolution.push(evolved());
$("#play").click();
await new Promise((resolve) => setTimeout(resolve, 1500));
seen.playing = [Number($("#epoch").value) > 0, $("#play").getAttribute("aria-label")];
$("#play").click();
seen.paused = $("#play").getAttribute("aria-label");

press("ArrowLeft", $(".plot"));
seen.readout = [visible(".readout"), $(".readout").textContent];

seen.papers = [paper()];
for (let i = 0; i < 2; i++) { $("#theme").click(); seen.papers.push(paper()); }
return seen;
"""
LIGHT, DARK = "rgb(251, 250, 248)", "rgb(20, 21, 25)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """(path, images in the cell 4 read as 9, mistakes, sevens) of a report on 1,000 digits."""
    data = digits(1000)
    wrong = {row: 9 for row in range(130) if data.labels[row] == 4}
    fours = len(wrong)
    wrong |= {row: 3 for row in range(200, 800) if data.labels[row] == 5}
    run = RunMaker(tmp_path_factory.mktemp("report") / "runs")(
        {"test": predict(data, wrong), "validation": predict(data, {})}
    )
    for member, votes in enumerate([wrong, {}]):
        predict(data, votes).save(run.member_path(member) / "test.npz")
    sevens = int((data.labels == 7).sum())
    return write_report(run, {"test": data, "train": data}), fours, len(wrong), sevens


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    """What one visit shows, step by step."""
    return drive(page[0], HELPERS + VISIT, tmp_path_factory.mktemp("browser"))


def test_a_cell_opens_the_images_behind_it(page, seen):
    _, fours, *_ = page
    assert seen["first"]["panels"] == 0
    assert seen["cell"] == {
        "tiles": fours,
        "foreign": 0,
        "title": f"4 read as 9: {fours} images",
        "pressed": "true",
        "picture": 'url("data:image/png;',
    }
    assert seen["pair"] == {"tiles": fours, "focus": "cell-close"}


def test_a_cell_of_the_diagonal_opens_the_least_sure_of_its_images(page, seen):
    assert seen["right"] == {
        "tiles": 24,
        "foreign": 0,
        "title": f"7 read as 7: the 24 least sure of {page[3]} images",
        "pressed": "true",
        "picture": 'url("data:image/png;',
        "zoom": "7",
    }


def test_a_picture_opens_large_with_the_truth(seen):
    assert seen["zoom"] == {"open": True, "title": "Image 5", "truth": "4"}  # the first 4 is in row 4, its id is 5


def test_a_mistake_shows_the_votes_of_the_members_and_what_it_resembles(seen):
    # the same images trained, so that each is its own nearest neighbour
    assert seen["beside"] == {"votes": "94", "near": 3, "label": "4 distance 0"}


def test_the_slider_shows_the_mistakes_fade(seen):
    # two members of five and four epochs; the second counts on after its last
    assert seen["evolution"] == [["after epoch 5: 6 mistakes", "2", "198"], ["after epoch 1: 13 mistakes", "9", "198"]]
    assert seen["playing"] == [True, "Pause"]
    assert seen["paused"] == "Play"


def test_a_verdict_in_a_table_is_no_larger_than_the_figures_beside_it(seen):
    assert seen["sizes"]["verdicts"] > 0
    assert seen["sizes"]["kinds"] == 1


def test_closing_goes_back_to_where_one_was(seen):
    assert seen["closed"] == {"panels": 0, "pairs": 1, "focus": True}
    assert seen["escaped"] == {"panels": 0, "focus": "pairs"}


def test_arrows_walk_the_matrix_and_tab_has_one_stop(seen):
    assert (seen["arrow"]["true"], seen["arrow"]["predicted"]) == ("9", "9")
    assert seen["stops"] == 1


def test_the_grid_starts_short_and_filters_by_pair(page, seen):
    _, fours, total, _ = page
    assert seen["beyond"] == total - fours  # a cell opens images that the grid does not show yet
    assert seen["first"]["tiles"] == 60 < total
    assert seen["all"] == total
    assert seen["truth"] == {"tiles": fours, "said": f"{fours} images"}
    assert seen["nothing"] == {"tiles": 0, "said": "0 images"}


def test_counts_turn_into_shares(seen):
    assert (seen["count"], seen["share"], seen["column"]) == ("99", "100", "100")


def test_curves_can_be_read_with_the_keyboard(seen):
    shown, text = seen["readout"]
    assert shown == 1
    assert text.startswith("epoch 4\ntrain 0.0")


def test_the_theme_toggles_there_and_back(seen):
    assert seen["papers"] == [LIGHT, DARK, LIGHT]


@pytest.mark.parametrize("width", [320, 1600])
def test_nothing_sticks_out_in_the_dark(page, tmp_path, width):
    measure = (
        "const root = document.documentElement; return [innerWidth, root.scrollWidth - root.clientWidth, paper()];"
    )
    assert drive(page[0], HELPERS + measure, tmp_path, width=width, dark=True) == [width, 0, DARK]


INTRUDE = """
const refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
const image = new Image();
const failed = new Promise((resolve) => { image.onerror = resolve; });
image.src = ADDRESS + "image";
await failed;
await fetch(ADDRESS + "fetch").catch(() => null);
const script = document.createElement("script");
script.textContent = "window.intruder = true";
document.body.append(script);
await new Promise((resolve) => setTimeout(resolve, 50));
const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
return {
  refused: refused.sort(),
  loaded: loaded.filter((name) => !name.startsWith("data:") && !name.startsWith(ADDRESS)),
  intruder: window.intruder === true,
};
"""


def test_no_request_leaves_even_if_a_script_tries(page, tmp_path):
    visitors = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def listen() -> None:
            while not over.is_set():
                try:
                    connection, peer = server.accept()
                except TimeoutError:
                    continue
                visitors.append(peer)
                connection.close()

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            address = f"http://127.0.0.1:{server.getsockname()[1]}/"
            result = drive(page[0], f'const ADDRESS = "{address}";' + INTRUDE, tmp_path)
        finally:
            over.set()
            listener.join()
    assert visitors == []
    assert result == {"refused": ["connect-src", "img-src", "script-src-elem"], "loaded": [], "intruder": False}
