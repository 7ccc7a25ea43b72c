"""Every example runs, on a small table and with a network that trains in a second."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
QUICKLY = ["train.epochs=1", "ensemble.members=1"]
SMALL = [*QUICKLY, "model.layers=8C5S2 BN MP2 FLAT SOFTMAX"]
ARGUMENTS = {
    "first_model": ["train.csv", *SMALL],
    "own_table": ["train.csv", "test.csv", *SMALL],
    "own_folder": ["images", *QUICKLY],
    "new_architecture": ["train.csv", *QUICKLY],
    "new_augmentation": ["train.csv", *SMALL],
    "ensemble": ["train.csv", "train.epochs=1"],
    "label_errors": ["train.csv", *SMALL],
    "calibration": ["train.csv", *SMALL],
    "reading": ["images/one/0.png"],
    "grid_search": ["train.csv", "model.landmarks=100"],
    "form": ["form.png", "three=0,0,90,60,length=3", "two=90,0,150,60,length=3", "none=160,0,200,60"],
    "serving": ["form.png"],
    "on_ray": ["train.csv", "train.epochs=1", SMALL[-1]],
}
NEEDS = {"grid_search": "sklearn", "serving": "fastapi", "on_ray": "ray"}
SLOW = (
    "on_ray",
    "label_errors",
    "ensemble",
    "grid_search",
)  # a cluster takes a while to come up, several trainings too
SAYS = {
    "first_model": r"held-out images\n\d with",
    "own_table": r"submission\.csv",
    "own_folder": r"100 images of \(1, 16, 16\): one, zero",
    "new_architecture": r"pooled: [\d.]+%\nstrided: [\d.]+%\n.*p = ",
    "new_augmentation": r"[\d.]+% of the held-out images",
    "ensemble": r"1: .*\n2: .*\n3: ",
    "label_errors": r"of 400 labels are suspected; the ten worst:\n(\d+: labelled .*\n){10}",
    "calibration": r"accuracy .*, calibrated [\d.]+%\nanswers \d+ of 80 images, \d+ of them rightly",
    "reading": r"images/one/0.png: 1, least sure of one with [\d.]+",
    "grid_search": r"(model\.gamma=.*\n){3}best: model\.gamma=[\d.]+; an image is \d",
    "form": r"three: [\d?]{3}.*\ntwo: [\d?]{2} - a person should look: .+\nnone: - - a person should look: empty",
    "serving": r'"text": "[\d?]{5}"',
    "on_ray": r"the same bits as here: True",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.csv`` and ``test.csv`` with digits of 28x28, and ``images/`` with a folder for each of two classes."""
    folder = tmp_path_factory.mktemp("examples")
    bunch = load_digits()
    images = np.stack(
        [np.asarray(Image.fromarray((i * 15.9).astype(np.uint8)).resize((28, 28))) for i in bunch.images[:500]]
    )
    pixels = images.reshape(len(images), -1)
    names = [f"pixel{i}" for i in range(pixels.shape[1])]
    rows = [[label, *row] for label, row in zip(bunch.target, pixels.tolist(), strict=False)]
    _write(folder / "train.csv", ["label", *names], rows[:400])
    _write(folder / "test.csv", names, [row[1:] for row in rows[400:]])
    for label, name in enumerate(("zero", "one")):
        (folder / "images" / name).mkdir(parents=True)
        for number, image in enumerate(images[bunch.target[:500] == label][:50]):
            Image.fromarray(image).resize((16, 16)).save(folder / "images" / name / f"{number}.png")
    _form([images[bunch.target[:500] == label][0] for label in (0, 0, 0, 0, 0)]).save(folder / "form.png")
    return folder


def _form(digits: list[np.ndarray]) -> Image.Image:
    """Dark digits on a white page in a line, three on its left and two further right."""
    page = Image.new("L", (200, 60), 255)
    for left, digit in zip((4, 30, 56, 94, 120), digits, strict=True):
        page.paste(Image.fromarray(255 - digit), (left, 16))
    return page


def _write(path: Path, header: list[str], rows: list[list[int]]) -> None:
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")


def test_every_example_has_its_arguments_here() -> None:
    assert [path.stem for path in EXAMPLES] == sorted(ARGUMENTS) == sorted(SAYS)


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in EXAMPLES]
)
def test_the_example_runs_and_says_what_it_should(path: Path, folder: Path) -> None:
    pytest.importorskip(NEEDS.get(path.stem, "torch"))
    environment = {**os.environ, "TENFOLD_HOME": str(folder / "home"), "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error", path, *ARGUMENTS[path.stem]]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[path.stem], done.stdout), done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_example_is_short_and_says_how_to_call_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert f"python examples/{path.name}" in text
    assert len(text.splitlines()) <= 60
