from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tenfold.bundle import submission
from tenfold.bundle.submission import submission_name, write_submission
from tenfold.bundle.submission_check import check_submission
from tenfold.errors import DataError, IntegrityError, UsageError
from tenfold.values.names import csv_text
from tenfold.values.predictions import Predictions

DIGITS = tuple("0123456789")


def predictions(n: int = 50, ids=None, classes: int = 10) -> Predictions:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), n).astype(np.float32)
    return Predictions(np.arange(1, n + 1) if ids is None else np.array(ids), probabilities)


def good(n: int = 50) -> list[str]:
    return ["ImageId,Label", *(f"{i},{i % 10}" for i in range(1, n + 1))]


def test_s01_28_000_rows_exactly_as_kaggle_wants_them(tmp_path):
    path = tmp_path / "submission.csv"
    said = predictions(28_000)
    write_submission(path, said, DIGITS)
    content = path.read_bytes()
    assert content.startswith(b"ImageId,Label\n1,")
    assert content.count(b"\n") == 28_001
    assert content.endswith(b"\n")
    assert re.fullmatch(rb"ImageId,Label\n(\d+,[0-9]\n){28000}", content)
    rows = [line.split(b",") for line in content.splitlines()[1:]]
    assert [int(i) for i, _ in rows] == list(range(1, 28_001))
    assert [int(label) for _, label in rows] == said.predicted.tolist()
    assert check_submission(path) == []


@pytest.mark.parametrize("slip", [("\n7,", "\n8,"), ("ImageId", "imageid"), ("\n3,", "\n\n3,")])
def test_s01_a_slip_of_the_writer_is_caught_before_anything_is_written(slip, tmp_path, monkeypatch):
    """The check knows nothing of the writer: it reads the text as Kaggle will."""
    monkeypatch.setattr(submission, "csv_text", lambda *args: csv_text(*args).replace(*slip))
    with pytest.raises(DataError):
        write_submission(tmp_path / "submission.csv", predictions(), DIGITS)
    assert list(tmp_path.iterdir()) == []


def swapped(lines: list[str]) -> list[str]:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


def with_line(row: int, text: str):
    return lambda lines: [*lines[: row - 1], text, *lines[row:]]


FAULTS = {
    "missing row": (lambda lines: lines[:10] + lines[11:], 11, 1, "no row with ImageId 10"),
    "duplicate id": (with_line(6, "4,5"), 6, 1, r"'4' again \(first in row 5\)"),
    "ids from 0": (lambda lines: [lines[0], *(f"{i},1" for i in range(50))], 2, 1, "found '0', .*the ids count from 1"),
    "id too large": (with_line(51, "51,1"), 51, 1, r"found '51', expected an id of the test set \(1 .. 50\)"),
    "id not a number": (with_line(3, "two,1"), 3, 1, "found 'two'"),
    "extra column": (lambda lines: [line + ",x" for line in lines], 1, 3, "an extra column 'x'"),
    "extra field": (with_line(9, "8,1,1"), 9, 3, "3 fields"),
    "index column": (
        lambda lines: [f"{i},{line}" for i, line in enumerate(lines)],
        1,
        1,
        "found '0', expected the header ImageId",
    ),
    "field missing": (with_line(9, "8"), 9, 2, "1 fields"),
    "float label": (with_line(4, "3,3.0"), 4, 2, "found '3.0', .*write 3"),
    "label 10": (with_line(4, "3,10"), 4, 2, "found '10', expected a label: 0, 1"),
    "label missing": (with_line(4, "3,"), 4, 2, "found ''"),
    "space": (with_line(4, "3, 1"), 4, 2, "found ' 1'"),
    "header case": (with_line(1, "imageid,label"), 1, 1, "found 'imageid', expected the header ImageId"),
    "no header": (lambda lines: lines[1:], 1, 1, "found '1', expected the header ImageId"),
    "header cut": (with_line(1, "ImageId"), 1, 2, "found nothing, expected the header Label"),
    "too few rows": (lambda lines: lines[:-1], 50, 1, "found 49 rows, expected 50 rows"),
    "too many rows": (lambda lines: [*lines, "51,1"], 52, 1, "found 51 rows, expected 50 rows|found '51'"),
    "trailing blank line": (lambda lines: [*lines, ""], 52, 1, "a blank line"),
    "blank line inside": (lambda lines: [*lines[:5], "", *lines[5:]], 6, 1, "a blank line"),
    "byte order mark": (lambda lines: ["\ufeff" + lines[0], *lines[1:]], 1, 1, "a byte order mark"),
    "carriage return inside": (with_line(4, "3,\r1"), 4, 2, "a carriage return inside a line"),
    "unclosed quote": (with_line(4, '3,"1'), None, None, "text that is not CSV"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_s02_each_fault_is_named_with_row_and_column(name, tmp_path):
    change, row, column, message = FAULTS[name]
    path = tmp_path / "submission.csv"
    path.write_bytes(("\n".join(change(good())) + "\n").encode())
    faults = [f.problem for f in check_submission(path, expected_rows=50) if not f.harmless]
    matching = [p for p in faults if re.search(message, str(p))]
    assert matching, faults
    if row is not None:
        assert (row, column) in [(p.row, p.column) for p in matching]


def test_another_number_of_rows_is_one_fault_that_names_the_option(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("\n".join(good()[:41]) + "\n")
    (found,) = check_submission(path, expected_rows=50)
    assert found.problem.hint == "with --rows 40 if the test set has so many"


def test_a_file_without_any_id_of_the_test_set_is_not_told_every_id(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("label,pixel0\n5,0\n")
    assert not [f for f in check_submission(path, expected_rows=50) if "no row with" in str(f.problem)]


HARMLESS = {
    "windows line ends": (lambda lines: "\r\n".join(lines) + "\r\n", 1, 2, r"Windows line ends \(CRLF\)"),
    "quoted": (lambda lines: "\n".join(lines).replace("\n7,7", '\n"7","7"') + "\n", 8, 1, "found quotes"),
    "order": (lambda lines: "\n".join(swapped(lines)) + "\n", 4, 1, "found ImageId '4', expected '3'"),
    "no last line end": (lambda lines: "\n".join(lines), 51, 2, "a last line without a line end"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_s02_harmless_oddities_are_named_and_pass(name, tmp_path):
    write, row, column, message = HARMLESS[name]
    path = tmp_path / "submission.csv"
    path.write_bytes(write(good()).encode())
    (finding,) = check_submission(path, expected_rows=50)
    assert finding.harmless
    assert (finding.problem.row, finding.problem.column) == (row, column)
    assert re.search(message, str(finding.problem))


@pytest.mark.parametrize("name", [*FAULTS, *HARMLESS])
def test_s02_the_command_says_the_same_and_writes_nothing(name, tmp_path, forked):
    path = tmp_path / "submission.csv"
    if name in FAULTS:
        change, row, column, message = FAULTS[name]
        path.write_bytes(("\n".join(change(good())) + "\n").encode())
    else:
        write, row, column, message = HARMLESS[name]
        path.write_bytes(write(good()).encode())
    done = forked("submit", "--check", path, "--rows", "50")
    place = f":{row}:{column}" if row else ""
    kind = "error" if name in FAULTS else "warning"
    assert done.code == (3 if name in FAULTS else 0), done.stderr
    assert re.search(rf"^{kind}: {re.escape(str(path))}{place}.*({message})", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr
    assert done.changed == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\xff\xfeI\0", "not UTF-8"),
        (b"ImageId,Label\n1,\xe9\n", "csv:2: found bytes"),
        (b"\xef\xbb\xbf", "BOM"),
    ],
    ids=["empty", "utf-16", "latin-1", "only-a-bom"],
)
def test_s02_content_that_is_no_table_is_a_fault(content, message, tmp_path):
    path = tmp_path / "submission.csv"
    path.write_bytes(content)
    assert any(message in str(f.problem) and not f.harmless for f in check_submission(path, expected_rows=50))


def test_s02_a_missing_or_huge_file_is_told(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        check_submission(tmp_path / "none.csv")
    with pytest.raises(DataError, match="a character device"):
        check_submission(Path("/dev/zero"))
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(DataError, match="1,073,741,824 bytes"):
        check_submission(tmp_path / "huge.csv")


def test_s03_no_predictions_no_file(tmp_path):
    with pytest.raises(DataError, match="the test set is empty"):
        write_submission(tmp_path / "submission.csv", predictions(0), DIGITS)
    assert list(tmp_path.iterdir()) == []


def test_s04_an_existing_file_stays_without_force(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        write_submission(path, predictions(), DIGITS)
    assert path.read_text() == "mine"
    write_submission(path, predictions(), DIGITS, force=True)
    assert check_submission(path, expected_rows=50) == []
    assert [p.name for p in tmp_path.iterdir()] == ["submission.csv"]


def test_s05_nan_never_becomes_a_submission(tmp_path):
    probabilities = np.full((3, 10), np.nan, np.float32)
    with pytest.raises(IntegrityError, match="NaN"):
        write_submission(tmp_path / "submission.csv", Predictions(np.arange(1, 4), probabilities), DIGITS)
    assert list(tmp_path.iterdir()) == []


def test_text_ids_and_class_names_are_written_as_they_are(tmp_path):
    path = tmp_path / "submission.csv"
    ids = ["a/1.png", "b, with comma.png", 'c "quoted".png', "ünïcode 🙂.png"]
    said = predictions(4, ids, classes=2)
    write_submission(path, said, ("cat", "dog, small"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names = [("cat", "dog, small")[k] for k in said.predicted]
    assert rows == [["ImageId", "Label"], *map(list, zip(ids, names, strict=True))]


def test_f18_formulas_are_quoted(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(path, predictions(3, ["=cmd()", "@x", "-5"], classes=2), ("=HYPERLINK(1)", "<script>"))
    text = path.read_text()
    assert "'=cmd()," in text
    assert "'@x," in text
    assert "\n-5," in text
    assert not re.search(r"(^|,)=", text, re.MULTILINE)


def test_ids_that_cannot_be_told_apart_are_refused(tmp_path):
    with pytest.raises(DataError, match="again"):
        write_submission(tmp_path / "s.csv", predictions(2, ["=a", "'=a"]), DIGITS)
    with pytest.raises(ValueError, match="expected 10 class names, got 3"):
        write_submission(tmp_path / "s.csv", predictions(), DIGITS[:3])
    assert list(tmp_path.iterdir()) == []


def test_a_leak_shows_in_the_file_name():
    assert submission_name(leaked=False) == "submission.csv"
    assert submission_name(leaked=True) == "submission.leaked.csv"
    assert submission_name(leaked=False, partial=True) == "submission.partial.csv"
    assert submission_name(leaked=True, partial=True) == "submission.partial.leaked.csv"
