"""README, the five minutes and the how-to pages, done to the letter by somebody new, in a new environment."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import tenfold
from _handwriting import digits

ROOT = Path(__file__).parents[1]
PAGES = (
    *("README.md", "docs/start.md", "docs/how-to/kaggle.md", "docs/how-to/handwriting.md", "docs/how-to/form.md"),
    *("docs/how-to/data.md", "docs/how-to/class.md", "docs/how-to/model.md", "docs/how-to/teach.md"),
    *("docs/bundle.md", "docs/evaluate.md", "docs/explain.md", "docs/labels.md"),
)
LONG = ("--robustness-images 0",)
"""Parts of commands that take more than an hour."""
ELSEWHERE = ("make ", "pip ", "python lab/", "curl ")
"""Other programs; what they do has tests of its own."""
MADE = {  # what a command says or shows that it writes
    "tenfold run": ("runs/*/report.html", "runs/*/submission*.csv", "runs/*/bundle/model.onnx"),
    "tenfold explore": ("*.html",),
    "tenfold submit": ("submission.csv",),
}


def lines_of(page: Path) -> list[str]:
    """What a page tells its reader to type."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [line[2:].split("  #")[0].strip() for b in blocks for line in b.splitlines() if line.startswith("$ ")]


def table(path: Path, pixels: np.ndarray, labels: np.ndarray | None) -> None:
    """A file as Kaggle has it."""
    names = [f"pixel{i}" for i in range(784)]
    rows = pixels.reshape(len(pixels), -1)
    if labels is not None:
        rows, names = np.column_stack([labels, rows]), ["label", *names]
    np.savetxt(path, rows, "%d", ",", header=",".join(names), comments="")


def written(text: str) -> Image.Image:
    """Digits on white paper, 28 pixels each."""
    images, labels = digits()
    page = Image.new("L", (40 * len(text) + 20, 60), 235)
    for i, figure in enumerate(text):
        ink = images[np.flatnonzero(labels == int(figure))[3 + i]]
        page.paste(Image.fromarray(255 - ink), (10 + 40 * i, 15))
    return page


def furnish(folder: Path) -> None:
    """The files that the pages speak of."""
    train, test = tenfold.load("mnist", "train"), tenfold.load("mnist", "test")
    assert train.labels is not None
    table(folder / "train.csv", train.images[:2000], train.labels[:2000])
    table(folder / "test.csv", np.concatenate([test.images, train.images[30_000:48_000]]), None)
    for name, text in (("photo.png", "60718"), ("field.png", "20417")):
        written(text).save(folder / name)
    Image.fromarray(test.images[0, 0]).save(folder / "seven.png")
    (folder / "fields").mkdir()
    written("24122025").save(folder / "fields" / "a.png")
    rng = np.random.default_rng(0)
    for number, shape in enumerate(("ellipse", "rectangle", "line")):
        (folder / "photos" / shape).mkdir(parents=True)
        for i in range(40):
            picture = Image.new("RGB", (32, 32), tuple(int(x) for x in rng.integers(0, 90, 3)))
            left, top = (int(x) for x in rng.integers(2, 12, 2))
            color = tuple(int(x) for x in rng.integers(150, 255, 3))
            getattr(ImageDraw.Draw(picture), shape)((left, top, left + 16, top + 12 + number), fill=color)
            picture.save(folder / "photos" / shape / f"{i}.png")
    for label in range(10):
        (folder / "my-digits" / str(label)).mkdir(parents=True)
        for i in np.flatnonzero(train.labels == label)[-5:]:
            Image.fromarray(train.images[i, 0]).save(folder / "my-digits" / str(label) / f"{i}.png")
    np.savez(folder / "photos.npz", images=test.images[:600], labels=digits()[1][:600])
    np.savez(folder / "scans.npz", images=train.images[5000:5300])
    (read,) = (made.predicted for made in tenfold.predict("builtin", train.images[5000:5040]).predictions)
    lines = [f"{i},{read[i - 1]},relabel,{train.labels[4999 + i]}\n" for i in range(1, 41)]
    (folder / "labels-of-scans.csv").write_text("id,label,decision,new_label\n" + "".join(lines))


@pytest.fixture(scope="module")
def tenfold_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in an environment of its own, from a wheel that was built here, as the README has it installed."""
    place = tmp_path_factory.mktemp("environment")
    source = place / "clone"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "runs"))
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    programs = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = [programs / "pip", "install", "-q", "-c", "constraints.txt", ".[train,explore,serve]"]
    subprocess.run(install, cwd=source, check=True, capture_output=True)
    return programs


@contextlib.contextmanager
def serving(words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A service that answers, then is stopped as by Ctrl-C."""
    port = words[words.index("--port") + 1] if "--port" in words else "8000"
    with subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as service:
        try:
            ready = [sys.executable, "-c", f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/readyz')"]
            began = time.monotonic()
            while subprocess.run(ready, capture_output=True, check=False).returncode:
                assert service.poll() is None and time.monotonic() - began < 60, service.communicate()[1]
                time.sleep(0.5)
            yield
        finally:
            service.send_signal(signal.SIGINT)
            service.wait(30)
        assert service.returncode in (0, 130), words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader works, page after page."""
    place = tmp_path_factory.mktemp("walk")
    furnish(place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_does_what_the_page_says(page: str, tenfold_program: Path, folder: Path) -> None:
    path = os.pathsep.join([str(tenfold_program), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "80", "TENFOLD_MODELS": str(ROOT / "models")}
    environment.pop("PYTHONPATH", None)
    for line in lines_of(ROOT / page):
        if line.startswith(ELSEWHERE) or any(part in line for part in LONG):
            continue
        print("$", line)
        words = shlex.split(line)
        if words[1] == "serve":
            with serving(words, folder, environment):
                continue
        if line == "tenfold data convert train.csv mended.csv --labels labels.csv":
            (folder / "labels.csv").write_text("id,label,decision,new_label\n")  # nobody decided anything
        if line.startswith("tenfold teach builtin scans.npz"):
            shutil.copy(folder / "labels-of-scans.csv", folder / "labels.csv")
            shutil.rmtree(folder / "mine")
        if line.startswith("tenfold submit ") and "--check" not in line:
            (folder / "submission.csv").unlink(missing_ok=True)
        done = subprocess.run(
            line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800, check=False
        )
        print(done.stdout, done.stderr)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        makes = [pattern for start, patterns in MADE.items() if line.startswith(start + " ") for pattern in patterns]
        if "--check" not in line:
            for pattern in makes:
                assert list(folder.glob(pattern)), f"{line}: no {pattern}"
        if "--out" in words:
            assert (folder / words[words.index("--out") + 1]).exists()
