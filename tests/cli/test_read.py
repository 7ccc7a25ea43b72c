import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _handwriting import digits
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.strings import write_string

IMAGES, LABELS = digits()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    rows = np.arange(4)
    written = write_string(IMAGES[rows], LABELS[rows], rng, closeness=(0.3, 0.4), marks=0.0)
    path = tmp_path / "note.png"
    Image.fromarray(photographed(written.ink, Paper(), rng)).save(path)
    return path


def test_a_picture_is_read_without_naming_a_bundle(cli: Callable[..., object], note: Path) -> None:
    done = cli("read", note)
    assert done.code == 0, done.stderr
    assert len(done.stdout.strip()) == 4


def test_json_csv_and_the_drawing(cli: Callable[..., object], note: Path, tmp_path: Path) -> None:
    drawing = tmp_path / "boxes.png"
    (page,) = json.loads(cli("read", note, "--format", "json", "--show", drawing).stdout)
    digits = page["lines"][0]["digits"]
    assert len(digits) == 4
    assert all(len(digit["box"]) == 4 for digit in digits)
    with Image.open(drawing) as picture:
        assert picture.size[0] > 100
    rows = list(csv.DictReader(io.StringIO(cli("read", note, "--format", "csv").stdout)))
    assert [row["digit"] for row in rows] == [digit["label"] for digit in digits]
    assert [int(row["x"]) for row in rows] == [digit["box"][0] for digit in digits]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.png"], 3, "no such file"),
        (["NOTE", "--format", "xml"], 2, "text, json or csv"),
        (["NOTE", "--ink", "green"], 2, "auto, dark or bright"),
        (["NOTE", "--bundle", "nowhere"], 6, "holds no bundle"),
        (["NOTE", "NOTE", "--show", "one.png"], 2, "need a folder"),
        (["NOTE", "--threshold", "2"], 2, "0..1"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    cli: Callable[..., object], note: Path, arguments: list[str], code: int, message: str
) -> None:
    done = cli("read", *[str(note) if a == "NOTE" else a for a in arguments])
    assert done.code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in done.changed if path != "tmp/.ses"]  # which is ONNX Runtime's own


def test_what_is_sure_goes_to_csv_and_the_rest_to_a_page(
    cli: Callable[..., object], note: Path, tmp_path: Path
) -> None:
    page, table = tmp_path / "review.html", tmp_path / "sure.csv"
    done = cli("read", note, "--expect", "length=3", "--review", page, "--out", table)
    assert done.code == 0, done.stderr
    assert "0 lines are sure, 1 is to be confirmed" in done.stderr
    assert table.read_text() == "file,line,text,confidence\n"
    assert "4 digits, expected 3" in page.read_text()
    again = cli("read", note, "--review", page, "--out", table)
    assert again.code == 2
    assert "exists" in again.stderr


def test_rules_warn_where_there_is_no_page(cli: Callable[..., object], note: Path) -> None:
    done = cli("read", note, "--expect", "length=3", "--threshold", "0")
    assert done.code == 0
    assert "warning" in done.stderr and "expected 3" in done.stderr
    assert cli("read", note, "--expect", "lenth=3").code == 2
