"""The page of all runs, as text and as people use it."""

from pathlib import Path

import pytest

from _browser import CHROMIUM, drive
from _report_runs import RunMaker, digits, history, predict
from tenfold.evaluation.leaderboard import ExternalEntry, leaderboard, write_external
from tenfold.files import make_directory
from tenfold.report.runs_page import _histories, overlay, render, write_runs_page
from tenfold.values.recipe import load_recipe

DATA = digits(300)
VISIT = """
const rows = () => [...document.querySelectorAll("#table tbody tr")].filter((e) => e.checkVisibility());
const names = () => rows().map((row) => row.cells[0].textContent.trim());
const lines = () => [...document.querySelectorAll(".overlay .run:not([hidden])")].length;
const button = (text) => [...document.querySelectorAll("#table th button")].find((b) => b.textContent === text);
const set = (id, value) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input"));
};
const seen = {rows: rows().length, lines: lines()};
button("Test").click();
seen.best = names();
seen.sorted = button("Test").parentElement.getAttribute("aria-sort");
button("Test").click();
seen.worst = names();
set("filter-state", "external");
seen.external = names();
seen.hidden = lines();
set("filter-state", ""); set("find", "WORSE");
seen.found = names();
seen.said = document.getElementById("shown").textContent;
set("find", "");
const row = rows().find((row) => row.querySelector("a"));
row.querySelector("a").focus();
seen.pointed = document.querySelectorAll(".overlay.pointing .run.on").length;
seen.link = row.querySelector("a").getAttribute("href") === row.dataset.run + "/report.html";
seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
return seen;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two complete runs with reports, one that is not finished, and an entry of somebody's log."""
    made = RunMaker(tmp_path)
    for name, wrong in (("better", 3), ("worse", 60)):
        run = made({"test": predict(DATA, {row: (int(DATA.labels[row]) + 1) % 10 for row in range(wrong)})})
        (run.path / "recipe.toml").write_text(load_recipe(run.path / "recipe.toml", [f"name={name}"]).to_toml())
        right = 300 - wrong
        test = f'{{"accuracy": {right / 300}, "low": 0.7, "high": 0.99, "errors": {wrong}, "n": 300}}'
        (run.path / "summary.json").write_text(
            f'{{"test": {test}, "seconds": {{"total": 9}}, "core_seconds": 4, "members": 2, "leaked": false,'
            ' "finished": "2026"}'
        )
        (run.path / "report.html").touch()
        run.seal()
        run.path.rename(tmp_path / f"run-{name}")
    made({}, histories=[history(3)]).path.rename(tmp_path / "run-unfinished")
    entry = ExternalEntry(name="log-7", title="by hand", test_accuracy=0.9, note="<i>so they say</i>")
    write_external(tmp_path, "log", [entry])
    return tmp_path


def test_what_stands_on_it(folder: Path) -> None:
    page = render(folder, leaderboard(folder))
    assert "worse, p &lt; 0.001" in page
    assert 'href="run-better/report.html"' in page
    assert "&lt;i&gt;so they say" in page
    assert page.count("<polyline") == 6


def test_runs_without_epochs_have_no_figure(tmp_path: Path) -> None:
    assert overlay("Validation loss", "validation_loss", {"a": [history(1)], "b": []}, {}) is None
    drawn = overlay("Validation loss", "validation_loss", {"a": [history(1)], "b": [history(3)]}, {})
    assert drawn is not None and [line.run for line in drawn.lines] == ["b"]
    assert "No runs yet" in render(tmp_path, [])


def test_a_cross_validation_has_the_mean_curve_of_all_its_members(tmp_path: Path) -> None:
    made = RunMaker(tmp_path)
    run = made({}, histories=[])
    for fold, shift in enumerate((0.0, 0.02)):
        made({}, histories=[history(4, shift)]).path.rename(make_directory(run.path / "folds") / f"{fold:02d}")
    assert _histories(run.path) == [history(4), history(4, 0.02)]
    page = render(tmp_path, leaderboard(tmp_path))
    assert page.count("<polyline") == 2


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_people_use_it(folder: Path, width: int, dark: bool) -> None:
    page = write_runs_page(folder, leaderboard(folder))
    (folder / "browser").mkdir()
    seen = drive(page, VISIT, folder / "browser", width=width, dark=dark)
    assert seen == {
        "rows": 4,
        "lines": 6,
        "best": ["run-better", "log-7", "run-worse", "run-unfinished"],
        "sorted": "descending",
        "worst": ["run-worse", "log-7", "run-better", "run-unfinished"],
        "external": ["log-7"],
        "hidden": 0,
        "found": ["run-worse"],
        "said": "1 of 4",
        "pointed": 2,
        "link": True,
        "wide": False,
    }
