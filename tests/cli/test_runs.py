"""``tenfold runs``: the experiment log, whatever state the runs are in."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from _command_line import tenfold
from _runs import made_run
from tenfold.evaluation.leaderboard import ExternalEntry, write_external
from tenfold.values.accuracy import Accuracy
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good run, a better one, a leaked one, one that is not finished and several kinds of damage."""
    folder = tmp_path / "runs"
    made_run(folder, "good")
    made_run(
        folder,
        "better",
        test={"accuracy": 0.997, "low": 0.996, "high": 0.998, "errors": 30, "n": 10_000},
        seconds={"total": 600},
    )
    made_run(folder, "leaked", leaked=True, test=None)
    made_run(folder, "stopped", seal=False)
    (made_run(folder, "cut").path / "summary.json").write_text('{"members": 2')
    made_run(folder, "odd", test={"accuracy": "high"})
    made_run(folder, "nan", core_seconds=float("nan"))
    (made_run(folder, "lost").path / "summary.json").unlink()
    (made_run(folder, "scrawled").path / "recipe.toml").write_bytes(b"\xff\x00")
    (folder / "no-run").mkdir()
    (folder / "notes.txt").touch()
    return folder


def states(rows: list[dict[str, object]]) -> dict[str, object]:
    return {str(row["name"]).split("_")[1]: row["state"] for row in rows}


def test_every_run_is_listed_as_what_it_is(folder: Path) -> None:
    done = tenfold("runs", folder, "--json")
    assert done.code == 0
    assert states(json.loads(done.out)) == {
        "good": "complete",
        "better": "complete",
        "leaked": "complete",
        "stopped": "incomplete",
        "cut": "damaged",
        "odd": "damaged",
        "nan": "damaged",
        "lost": "damaged",
        "scrawled": "damaged",
    }


def test_the_figures_of_a_run(folder: Path) -> None:
    rows = {row["recipe"]: row for row in json.loads(tenfold("runs", folder, "--json").out)}
    assert rows["good"]["test"] == {"accuracy": 0.9947, "low": 0.9931, "high": 0.9959, "errors": 53, "n": 10_000}
    assert (rows["good"]["members"], rows["good"]["seconds"], rows["good"]["core_seconds"]) == (2, 61.4, 100.6)
    assert rows["leaked"]["leaked"] is True
    assert rows["stopped"]["detail"] == "1 of 2 members trained"


def test_damage_says_what_is_wrong(folder: Path) -> None:
    details = {
        str(row["name"]).split("_")[1]: row["detail"] for row in json.loads(tenfold("runs", folder, "--json").out)
    }
    assert "summary.json is not readable JSON" in details["cut"]
    assert details["odd"].startswith("summary.json: test.accuracy: ")
    assert "recipe.toml" in details["scrawled"]


def test_the_table_shows_percentages_with_their_intervals(folder: Path) -> None:
    out = tenfold("runs", folder).out
    assert "99.47% [99.31%, 99.59%]" in out
    assert "complete, leaked" in out
    assert "incomplete: 1 of 2 members trained" in out


def test_markdown_has_as_many_cells_in_every_line(folder: Path) -> None:
    lines = tenfold("runs", folder, "--markdown").out.splitlines()
    assert len(lines) == 2 + 9
    assert {line.replace("\\|", "").count("|") for line in lines} == {11}


def test_csv_is_read_back(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(tenfold("runs", folder, "--csv").out)))
    good = next(row for row in rows if row["recipe"] == "good")
    assert (good["test"], good["test_low"], good["leaked"]) == ("0.9947", "0.9931", "False")


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("test", "bca"),
        ("validation", "cba"),
        ("seconds", "cab"),
        ("core-seconds", "abc"),
        ("recipe", "abcd"),
        ("finished", "cba"),
    ],
)
def test_sorting_puts_the_best_or_the_smallest_first_and_the_unknown_last(tmp_path: Path, key: str, order: str) -> None:
    for place, name in enumerate("abc"):
        rate = {"low": 0.9, "high": 1.0, "errors": 1, "n": 100}
        made_run(
            tmp_path,
            name,
            test={"accuracy": [0.95, 0.97, 0.96][place], **rate},
            validation={"accuracy": [0.95, 0.96, 0.97][place], **rate},
            seconds={"total": [20, 30, 10][place]},
            core_seconds=[1, 2, 3][place],
            finished=["2026-03", "2026-02", "2026-01"][place],
        )
    made_run(tmp_path, "d", seal=False)
    rows = json.loads(tenfold("runs", tmp_path, "--json", "--sort", key).out)
    assert "".join(row["recipe"] for row in rows) == (order if "d" in order else order + "d")


def test_options_that_cannot_be_meant(folder: Path) -> None:
    unknown = tenfold("runs", folder, "--sort", "beauty")
    assert unknown.code == 2
    assert unknown.err.startswith("error: cannot sort by 'beauty'; expected one of: name, recipe, ")
    assert tenfold("runs", folder, "--json", "--csv").code == 2
    assert tenfold("runs", folder / "none").code == 2


def test_where_there_are_no_runs_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tenfold("runs") == (0, "no runs in runs; make one with: tenfold run\n", "")
    assert json.loads(tenfold("runs", "--json").out) == []


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.path.rename(tmp_path / "\x1b[31mred")
    for form in ([], ["--markdown"]):
        assert "\x1b" not in tenfold("runs", tmp_path, *form).out


def test_differences_that_are_noise_are_called_that(tmp_path: Path) -> None:
    for name, wrong in (("good", 3), ("equal", 5), ("bad", 60)):
        with_predictions(made_run(tmp_path, name), wrong)
    rows = {row["recipe"]: row["against_best"] for row in json.loads(tenfold("runs", tmp_path, "--json").out)}
    assert rows == {"good": "best", "equal": "no significant difference (p = 0.25)", "bad": "worse, p < 0.001"}


def test_seeds_are_one_row_in_every_format(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.99, 0.992)):
        run = made_run(tmp_path, "a_b", test=asdict(Accuracy.of(round(1000 * accuracy), 1000)))
        (run.path / "recipe.toml").write_text(run.recipe.overridden([f"seed={seed}"]).to_toml())
    (group,) = json.loads(tenfold("runs", tmp_path, "--group", "--json").out)
    assert (group["name"], group["test"]["mean"], group["test"]["seeds"]) == ("a_b", pytest.approx(0.991), 2)
    assert "a_b 2 99.00% ± 0.00% 99.10% ± 0.14%" in " ".join(tenfold("runs", tmp_path, "--group").out.split())
    (line,) = csv.DictReader(io.StringIO(tenfold("runs", tmp_path, "--group", "--csv").out))
    assert (line["seeds"], line["against_best"]) == ("2", "")


def test_latex_compiles_as_far_as_one_can_see(folder: Path) -> None:
    lines = tenfold("runs", folder, "--latex").out.splitlines()
    assert lines[0] == r"\begin{tabular}{llllrlllrr}"
    assert r"99.47\% [99.31\%, 99.59\%]" in "".join(lines)
    assert {line.count("&") for line in lines if line.endswith(r"\\")} == {9}


def test_one_page_for_all(folder: Path) -> None:
    done = tenfold("runs", folder, "--html")
    assert done.out == f"{folder / 'runs.html'}\n"
    assert "summary.json is not readable JSON" in (folder / "runs.html").read_text()


def test_logs_that_were_imported_stand_among_the_runs(folder: Path) -> None:
    entry = {"title": "by hand", "name": "log-1", "test_accuracy": 0.99, "test_images": 5040}
    write_external(folder, "log", [ExternalEntry(**entry)])
    (row,) = [row for row in json.loads(tenfold("runs", folder, "--json").out) if row["state"] == "external"]
    assert (row["name"], row["recipe"], row["test"]["errors"]) == ("log-1", "by hand", 50)
    assert "99.00% [98.69%, 99.25%]" in tenfold("runs", folder).out
    (folder / "external" / "log.json").write_text('{"entries": [{"x": 1}]}')
    damaged = tenfold("runs", folder)
    assert (damaged.code, "log.json is not a log that tenfold wrote" in damaged.err) == (6, True)


def with_predictions(run: Run, wrong: int) -> None:
    labels = np.arange(200) % 2
    read = np.where(np.arange(200) < wrong, 1 - labels, labels)
    (run.path / "predictions").mkdir()
    Predictions(np.arange(200), np.eye(2, dtype=np.float32)[read], labels).save(run.path / "predictions" / "test.npz")
