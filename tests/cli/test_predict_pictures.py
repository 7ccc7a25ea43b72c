"""`tenfold predict photo.png`: pictures of any size, without naming a bundle."""

import json
from pathlib import Path

import pytest
from PIL import Image

from _command_line import tenfold
from _handwriting import digits, on_page

IMAGES, LABELS = digits()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for k in range(4):
        path = tmp_path / f"{k}.png"
        Image.fromarray(on_page(IMAGES[k], (90, 120), 60, 7 * k, 10, dark=True)).save(path)
        paths.append(path)
    return paths


def test_pictures_need_no_bundle(photos: list[Path]) -> None:
    done = tenfold("predict", *photos)
    assert done.code == 0, done.err
    rows = [line.split("\t") for line in done.out.splitlines()[1:]]
    assert [row[0] for row in rows] == list(map(str, photos))
    assert [row[1] for row in rows] == [str(label) for label in LABELS[:4]]
    assert tenfold("predict", "builtin", *photos).out == done.out


def test_a_blank_picture_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "white.png"
    Image.new("L", (80, 60), 250).save(path)
    assert tenfold("predict", path).out.splitlines()[1].split("\t")[1] == "blank"
    (answer,) = json.loads(tenfold("predict", path, "--json").out)
    assert answer["blank"] is True
    assert answer["class"] is None


def test_a_csv_file_is_written_once(photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    assert tenfold("predict", *photos, "--out", out, "--probabilities").code == 0
    assert len(out.read_text().splitlines()) == 5
    assert tenfold("predict", *photos, "--out", out).code == 2


def test_a_bundle_alone_is_told_what_is_missing() -> None:
    done = tenfold("predict", "builtin")
    assert done.code == 2
    assert "name the images" in done.err
