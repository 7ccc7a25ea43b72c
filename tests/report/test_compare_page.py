"""The page of a comparison, as text and as people use it."""

from pathlib import Path

import pytest

from _browser import CHROMIUM, drive
from _report_runs import digits, predict
from tenfold.evaluation.compare import Comparison, compare
from tenfold.report.model_pages import MOST_TILES, points, render_comparison, write_comparison

DATA = digits(300)
NAMES = ("first", "second <b>")
VISIT = """
const visible = () => [...document.querySelectorAll("#tiles .tile")].filter((e) => e.checkVisibility()).length;
const choose = (id, value) => { document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("change")); };
const seen = {verdict: document.getElementById("verdict").textContent, all: visible()};
choose("filter-winner", "B");
seen.b = visible();
choose("filter-winner", ""); choose("filter-true", "5");
seen.fives = visible();
seen.said = document.getElementById("shown").textContent;
const before = getComputedStyle(document.body).backgroundColor;
document.getElementById("theme").click();
seen.turned = getComputedStyle(document.body).backgroundColor !== before;
seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
return seen;
"""


def found() -> Comparison:
    def wrong(rows: range) -> dict[int, int]:
        return {row: (int(DATA.labels[row]) + 1) % 10 for row in rows}

    return compare(predict(DATA, wrong(range(3))), predict(DATA, wrong(range(2, 40))))


def test_what_stands_on_it() -> None:
    page = render_comparison(found(), NAMES, "test", DATA)
    assert "A better, p &lt; 0.001" in page
    assert "second &lt;b&gt;" in page
    assert page.count('class="px differ') == 39
    assert '<td>260</td><td class="differ">37</td>' in page


def test_the_surest_mistake_comes_first_and_others_wait_outside() -> None:
    everything = predict(DATA, {row: (int(DATA.labels[row]) + 1) % 10 for row in range(300)})
    page = render_comparison(compare(predict(DATA, {}), everything), NAMES, "test")
    assert page.index("<bdi>1</bdi>") < page.index("<bdi>2</bdi>")
    assert MOST_TILES > 300
    assert "images of" not in page


def test_two_that_are_the_same_differ_on_nothing() -> None:
    same = predict(DATA, {1: 3})
    page = render_comparison(compare(same, same), NAMES, "test", DATA)
    assert "No significant difference (p = 1.00)" in page
    assert "None: A and B are right and wrong on the same images." in page


def test_points_have_a_sign() -> None:
    assert [points(share) for share in (0.00131, -0.002, 0.0)] == ["+0.13", "−0.20", "+0.00"]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_people_use_it(tmp_path: Path, width: int, dark: bool) -> None:
    page = write_comparison(found(), tmp_path / "page.html", NAMES, "test", DATA)
    fives = int((DATA.labels[found().rows] == 5).sum())
    seen = drive(page, VISIT, tmp_path, width=width, dark=dark)
    assert seen == {
        "verdict": "A better, p < 0.001",
        "all": 39,
        "b": 2,
        "fives": fives,
        "said": f"{fives} images",
        "turned": True,
        "wide": False,
    }
