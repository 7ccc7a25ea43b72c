"""Every command that a page shows is one that tenfold takes, every piece of Python on it runs, and the site builds."""

from __future__ import annotations

import doctest
import functools
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer
from PIL import Image
from sklearn.datasets import load_digits

import tenfold
from tenfold.cli import build_app
from tenfold.data.sources.mnist import Mnist

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
SMALL = ["data.limit=200", "train.epochs=1", "ensemble.members=1", "model.layers=8C5S2 BN MP2 FLAT SOFTMAX"]


SEARCH = """
name = "mine"
[model]
layers = "8C5S2 BN MP2 FLAT SOFTMAX"
[tune]
folds = 2
[tune.ranges]
"train.learning_rate" = { low = 0.01, high = 0.02 }
"""


def commands(text: str) -> list[str]:
    """The lines of console blocks that call tenfold, continued lines joined."""
    lines = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        joined = block.replace("\\\n", " ")
        lines += [line[2:] for line in joined.splitlines() if line.startswith("$ tenfold ")]
    return lines


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_on_a_page_are_taken(page: Path) -> None:
    app = typer.main.get_command(build_app())
    for line in commands(page.read_text("utf-8")):
        words = shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)[1:]
        if "--help" in words:
            continue
        group: Any = app
        with click.Context(app, info_name="tenfold") as context:
            try:
                _, words = _own_options(group, context, words)
                while hasattr(group, "commands"):
                    assert words and words[0] in group.commands, f"{line}: no such command"
                    group, words = group.commands[words[0]], words[1:]
                group.make_parser(context).parse_args(list(words))
            except click.UsageError as error:
                pytest.fail(f"{page.name}: {line}: {error}")


def _own_options(group: Any, context: click.Context, words: list[str]) -> tuple[Any, list[str]]:
    """What tenfold itself takes, before the name of the command."""
    given, rest, _ = group.make_parser(context).parse_args(list(words))
    return given, rest


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


WITH_PYTHON = [page for page in PAGES if blocks(page.read_text("utf-8"))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the pages speak of: tables, an archive, a photo, a run; and names that they take as given."""
    folder = tmp_path_factory.mktemp("documentation")
    bunch = load_digits()
    images = np.stack(
        [np.asarray(Image.fromarray((i * 15.9).astype(np.uint8)).resize((28, 28))) for i in bunch.images[:500]]
    )
    data = tenfold.Dataset(
        images[:, None], bunch.target[:500].astype(np.int64), np.arange(1, 501, dtype=np.int64), tuple("0123456789")
    )
    train, test = data.take(range(400)), data.take(range(400, 500))
    for name, part, labelled in (("train.csv", train, True), ("test.csv", test, False)):
        (folder / name).write_text(_csv(part, labelled))
    with zipfile.ZipFile(folder / "digit-recognizer.zip", "w") as archive:
        archive.write(folder / "train.csv", "train.csv")
        archive.write(folder / "test.csv", "test.csv")
    colour = np.random.default_rng(0).integers(0, 256, (4, 3 * 32 * 32))
    header = "label," + ",".join(f"pixel{i}" for i in range(colour.shape[1]))
    (folder / "cifar.csv").write_text(
        "\n".join([header, *(f"{i % 2}," + ",".join(map(str, row)) for i, row in enumerate(colour))]) + "\n"
    )
    Image.fromarray(255 - images[0]).resize((84, 84)).save(folder / "photo.png")
    (folder / "runs").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            Mnist, "read", classmethod(lambda cls, path, role, options: {"train": train, "test": test}[role])
        )
        for name, seed in (("RUN", 1), ("OTHER", 2)):
            run = tenfold.run(
                "quick", out=folder / "made", overrides=[*SMALL, f"seed={seed}"], progress=False, executor="local"
            )
            run.path.rename(folder / "runs" / name)
    shutil.copytree(folder / "runs", folder / "untouched")
    run = tenfold.Run(folder / "runs" / "RUN")
    (folder / "log.csv").write_text("title,layers,test accuracy\nbaseline,32C3 FLAT SOFTMAX,98.97\n")
    (folder / "mine.toml").write_text(SEARCH)
    with np.load(run.path / "split.npz") as split:
        validation = train.take(split["held"])
    return {"folder": folder, "train": train, "test": test, "validation": validation, "images": test.images, "run": run}


def _csv(data: tenfold.Dataset, labelled: bool) -> str:
    rows = data.images.reshape(len(data), -1).tolist()
    header = ",".join([*(["label"] if labelled else []), *(f"pixel{i}" for i in range(784))])
    lines = [
        ",".join(map(str, [*([label] if labelled else []), *row])) for label, row in zip(data.labels, rows, strict=True)
    ]
    return "\n".join([header, *lines]) + "\n"


@pytest.mark.parametrize("page", WITH_PYTHON, ids=[page.relative_to(ROOT).as_posix() for page in WITH_PYTHON])
def test_python_on_a_page_runs(page: Path, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On small data: ``mnist`` is a few hundred digits, and recipes are cut to a network that trains in a second."""
    _enter(world, monkeypatch)
    for name in ("run", "train"):
        monkeypatch.setattr(tenfold, name, _quickly(getattr(tenfold, name)), raising=False)
    namespace = dict(world)
    for block in blocks(page.read_text("utf-8")):
        exec(compile(block, str(page), "exec"), namespace)


PUBLIC = [name for name in tenfold.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_in_a_public_docstring_runs(
    name: str, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same small world as the pages."""
    value = getattr(tenfold, name)
    _enter(world, monkeypatch)
    for training in ("run", "train", "cross_validate", "tune", "study"):
        monkeypatch.setattr(tenfold, training, _quickly(getattr(tenfold, training)), raising=False)
    monkeypatch.setattr(tenfold, "reproduce", functools.partial(tenfold.reproduce, executor="local"), raising=False)
    found = doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    assert found and found[0].examples, f"{name} has no example"
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(found[0], out=said.append)
    assert result.failed == 0, "".join(said)
    assert not any(example.options.get(doctest.SKIP) for example in found[0].examples)


def _enter(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(world["folder"] / "runs")  # what a page before has written into a run
    shutil.copytree(world["folder"] / "untouched", world["folder"] / "runs")
    monkeypatch.chdir(world["folder"])
    monkeypatch.setenv("TENFOLD_HOME", str(world["folder"] / "home"))
    monkeypatch.setattr(Mnist, "read", classmethod(lambda cls, path, role, options: world[role]))


def _quickly(function: Any) -> Any:
    def call(*arguments: Any, overrides: Any = (), **keywords: Any) -> Any:
        own_layers = any(item.startswith("model") for item in overrides)
        small = [item for item in SMALL if not (own_layers and item.startswith("model"))]
        keywords = {**keywords, "progress": False, "executor": "local"}
        return function(*arguments, overrides=[*small, *overrides], **keywords)

    return call


def test_what_is_generated_is_up_to_date() -> None:
    """When this fails, run ``make docs``: a recipe, a public name or a log changed."""
    check = [sys.executable, ROOT / "docs" / "generate.py", "--check", "recipes.md", "api.md", "README.md"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_figure_that_is_retyped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    generate = importlib.import_module("generate")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert generate.with_figures(readme) == readme
    retyped = readme.replace("| 82 and 88 |", "| 28 and 88 |")
    assert retyped != readme, "the README has no table of Kaggle's figures any more"
    assert generate.with_figures(retyped) == readme
    unmarked = retyped.replace("<!-- figures: kaggle -->", "")
    assert generate.with_figures(unmarked) == unmarked != readme  # so the test above needs the marker
    assert "kaggle" in {found[2] for found in generate.MARKED.finditer(readme)}


def test_the_site_builds_without_a_warning_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    """Warnings, such as a link that leads nowhere, end a build: it is strict."""
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--config-file",
        ROOT / "mkdocs.yml",
        "--site-dir",
        tmp_path,
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    loaded = re.compile(
        r"""(?:src|srcset)=["']https?://|<link[^>]+rel=["'](?:stylesheet|preload|preconnect)["'][^>]+https?://"""
    )
    assert [page.name for page in pages if loaded.search(page.read_text("utf-8"))] == []
    assert "Raises" in (tmp_path / "api.html").read_text("utf-8")
