from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from _bundles import TRAINING_ROWS, digits, digits_run
from _command_line import tenfold


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return digits_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def unseen():
    return digits().take(range(TRAINING_ROWS, 1797))


@pytest.fixture
def npz(tmp_path, unseen):
    path = tmp_path / "test.npz"
    np.savez(path, x_test=unseen.images[:, 0], y_test=unseen.labels)
    return path


@pytest.fixture
def png(tmp_path, unseen):
    path = tmp_path / "seven.png"
    row = int(np.flatnonzero(unseen.labels == 7)[0])
    Image.fromarray(unseen.images[row, 0]).save(path)
    return path


def test_a_table_is_predicted_end_to_end(run, npz, unseen):
    done = tenfold("predict", run.path, npz)
    assert (done.code, done.err) == (0, "")
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["id", "class", "confidence"]
    assert [int(row[0]) for row in rows] == list(range(1, len(unseen) + 1))
    right = np.mean([int(row[1]) == label for row, label in zip(rows, unseen.labels, strict=True)])
    assert right > 0.9
    assert all(0.1 <= float(row[2]) <= 1 for row in rows)


def test_single_images_and_a_folder_say_the_same(run, png, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(png.read_bytes())
    done = tenfold("predict", run.path / "bundle", png, folder)
    assert done.code == 0
    _, single, listed = [line.split("\t") for line in done.out.splitlines()]
    assert (single[0], listed[0]) == (str(png), "a.png")
    assert single[1:] == listed[1:]
    assert single[1] == "7"


def test_json_holds_every_probability(run, png):
    (row,) = json.loads(tenfold("predict", run.path, png, "--json").out)
    assert row["id"] == str(png)
    assert row["class"] == "7"
    assert row["confidence"] == row["probabilities"]["7"]
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_csv_with_probabilities_is_written_once(run, npz, unseen, tmp_path):
    out = tmp_path / "out.csv"
    done = tenfold("predict", run.path, npz, "--out", out, "--probabilities")
    assert (done.code, done.out) == (0, f"{len(unseen)} predictions in {out}\n")
    with out.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["id", "class", "confidence", *(f"p({k})" for k in range(10))]
    assert len(rows) == len(unseen)
    assert all(row[2] == row[3 + int(row[1])] for row in rows)
    before = out.read_bytes()
    again = tenfold("predict", run.path, npz, "--out", out)
    assert again.code == 2
    assert "--force" in again.err
    assert out.read_bytes() == before
    assert tenfold("predict", run.path, npz, "--out", out, "--force").code == 0
    assert out.read_bytes() != before


def test_an_image_of_another_size_is_refused_with_both_sizes(run, tmp_path):
    path = tmp_path / "wide.png"
    Image.new("L", (9, 8)).save(path)
    done = tenfold("predict", run.path, path)
    assert done.code == 3
    assert f"error: {path}: found an image of 9 x 8 pixels, expected 8 x 8" in done.err
    assert done.out == ""


def test_colour_becomes_grey(run, png, tmp_path):
    colour = tmp_path / "colour.png"
    Image.open(png).convert("RGB").save(colour)
    rows = [line.split("\t")[1:] for line in tenfold("predict", run.path, png, colour).out.splitlines()[1:]]
    assert rows[0] == rows[1]


def test_f15_dark_ink_on_light_ground_is_warned_of(run, png, tmp_path):
    inverted = tmp_path / "inverted.png"
    Image.fromarray(255 - np.asarray(Image.open(png))).save(inverted)
    wrong_way, right_way = tenfold("predict", run.path, inverted), tenfold("predict", run.path, png)
    assert (wrong_way.code, right_way.code) == (0, 0)
    assert "dark ink on light ground" in wrong_way.err
    assert right_way.err == ""


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("text.png", b"not an image", 3),
        ("half.png", b"\x89PNG\r\n\x1a\n\0\0", 3),
        ("paper.png", b"%PDF-1.7", 3),
        ("empty.png", b"", 3),
    ],
)
def test_files_that_are_no_images_are_refused(run, tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    done = tenfold("predict", run.path, tmp_path / name, "--out", tmp_path / "out.csv")
    assert done.code == code
    assert done.err.startswith(f"error: {tmp_path / name}")
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]


def test_m04_a_damaged_bundle_is_refused(tmp_path, npz):
    damaged = digits_run(tmp_path / "runs")
    model = damaged.path / "bundle" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    done = tenfold("predict", damaged.path, npz)
    assert done.code == 6
    assert done.err == (
        "error: model.onnx: SHA-256 differs from manifest; the file was changed or damaged. Copy the bundle again\n"
    )


def test_what_cannot_be_meant_is_a_usage_error(run, npz, tmp_path):
    assert tenfold("predict", run.path, npz, "--json", "--out", tmp_path / "x.csv").code == 2
    assert tenfold("predict", run.path).code == 2
    nowhere = tenfold("predict", tmp_path / "nowhere", npz)
    assert nowhere.code == 6
    assert "nowhere holds no bundle: no such folder" in nowhere.err
    model = run.path / "bundle" / "model.onnx"
    assert f"name the folder that holds it: {model.parent}" in tenfold("predict", model, "--json", npz).err
