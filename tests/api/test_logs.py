"""Hand-written logs in the leaderboard: TOML and CSV, and what is wrong with them by line."""

import json
from pathlib import Path

import pytest

import tenfold as library
from _command_line import tenfold
from tenfold.api.logs import import_log
from tenfold.errors import DataError

LOG = """
# a comment
[[experiment]]
id = 13
title = "baseline CNN"
layers = "32C3 MP2 FLAT SOFTMAX10"
learning_rate = 0.0005
val_accuracy = 0.9910
test_accuracy = 0.98968
kaggle = 0.99
note = "as it stands"

[[experiment]]
title = "nothing logged"
"""


def test_toml_as_the_notebooks_log_has_it(tmp_path: Path) -> None:
    (tmp_path / "notebook.toml").write_text(LOG)
    entries = library.import_log(tmp_path / "notebook.toml", tmp_path / "runs", test_images=5040)
    assert [(entry.name, entry.title) for entry in entries] == [
        ("notebook-13", "baseline CNN"),
        ("notebook-2", "nothing logged"),
    ]
    assert (entries[0].validation_accuracy, entries[0].kaggle, entries[0].layers) == (
        0.991,
        0.99,
        "32C3 MP2 FLAT SOFTMAX10",
    )
    rows = json.loads(tenfold("runs", tmp_path / "runs", "--json").out)
    assert [row["state"] for row in rows] == ["external", "external"]
    assert (rows[0]["test"]["errors"], rows[0]["test"]["low"] < 0.98968 < rows[0]["test"]["high"]) == (52, True)
    assert rows[0]["validation"]["low"] is None


def test_csv_with_other_names_and_percentages(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("Model,Val accuracy,test,notes\nsmall,98.5 %,0.981,\nlarge,,99.1,good\n")
    entries = import_log(log, tmp_path)
    assert [(e.title, e.validation_accuracy, e.test_accuracy, e.note) for e in entries] == [
        ("small", 0.985, 0.981, ""),
        ("large", None, 0.991, "good"),
    ]


def test_names_sort_as_the_numbers_do(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("title,test\n" + "a,0.9\n" * 11)
    assert [entry.name for entry in import_log(log, tmp_path)][::5] == ["log-01", "log-06", "log-11"]


def test_importing_again_replaces(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    for text in ("title,test\na,0.9\nb,0.8\n", "title,test\nc,0.7\n"):
        log.write_text(text)
        import_log(log, tmp_path, name="mine")
    assert [row["name"] for row in json.loads(tenfold("runs", tmp_path, "--json").out)] == ["mine-1"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "x = ", r"a.toml: found no valid TOML"),
        ("a.toml", "experiment = 3", "no list of tables"),
        ("a.toml", "", "no experiments"),
        (
            "a.toml",
            '[[experiment]]\ntest_accuracy = 0.9\n\n[[experiment]]\nval_accuracy = "high"',
            r"a.toml:4: .*'high', expected a share",
        ),
        ("a.toml", "[[experiment]]\ntest_accuracy = 991", "a percentage such as 99.36"),
        ("a.toml", "[[experiment]]\ntitle = 3", r"a.toml:1: found title = 3, expected input should be a valid string"),
        ("a.csv", "colour,size\nred,3\n", r"a.csv:1: found a first line of colour, size"),
        ("a.csv", "title,test\na,0.9,0.8\n", r"a.csv:2: found 3 cells, expected 2"),
        ("a.csv", "title,test\na,0.9\nb,nan\n", r"a.csv:3: found test_accuracy = 'nan'"),
        ("a.csv", "", "found a first line of nothing"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        import_log(tmp_path / name, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "log.toml").write_text(LOG)
    done = tenfold("import-log", tmp_path / "log.toml", "--runs", tmp_path)
    assert done.out == f"2 entries, 1 of them with an accuracy; see: tenfold runs {tmp_path}\n"
    missing = tenfold("import-log", tmp_path / "no.toml")
    assert (missing.code, "no such file" in missing.err) == (3, True)
    (tmp_path / "bad.csv").write_bytes(b"title,test\n\xff,0.9\n")
    assert tenfold("import-log", tmp_path / "bad.csv").code == 3
