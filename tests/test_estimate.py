"""A recipe that trains on every row is judged all the same: by rows held out of another training, or by its folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tenfold
from _digits import digits
from tenfold import pipeline
from tenfold.errors import Stopped
from tenfold.pipeline import Listener
from tenfold.values.recipe import Recipe, parse_recipe

RECIPE = """
name = "whole"
[data]
validation = 0
[model]
kind = "nystroem"
components = 20
landmarks = 60
gamma = 0.05
[ensemble]
members = 1
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe(RECIPE)


class Saying(Listener):
    """Keeps what is said; stops the run at a line that holds ``at``."""

    def __init__(self, at: str = "") -> None:
        self.lines: list[str] = []
        self.at = at

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.at and self.at in text:
            raise KeyboardInterrupt


def trained(recipe: Recipe, out: Path, **more: object) -> tenfold.Run:
    data = digits()
    test = data.take(range(600, 700)).without_labels()
    how = {"executor": "local", "progress": False, **more}
    return tenfold.run(recipe, train=data.take(range(600)), test=test, out=out, **how)  # type: ignore[arg-type]


def test_every_row_trains_and_there_is_a_figure(recipe: Recipe, tmp_path: Path) -> None:
    judged = trained(recipe, tmp_path / "judged")
    figures = judged.summary["estimate"]
    assert 100 <= figures["n"] <= 140 and figures["accuracy"] > 0.7
    assert figures["source"] == "held-out rows" and figures["core_seconds"] > 0
    assert judged.verify() == []
    page = (judged.path / "report.html").read_text()
    assert "No accuracy" not in page and "estimated accuracy" in page
    for section in ("Confidence", "Suspected labels", "Least sure"):
        assert section in page
    assert tenfold.Bundle.open(judged.path).manifest.calibration is not None
    assert [row.validation.n for row in tenfold.runs(tmp_path / "judged") if row.validation] == [figures["n"]]

    plain = trained(recipe, tmp_path / "plain", estimate=False)
    assert "estimate" not in plain.summary and not plain.has_predictions("estimate")
    assert "No accuracy" in (plain.path / "report.html").read_text()
    for name in ("members/00/weights.safetensors", "predictions/test.npz", "submission.csv", "bundle/model.onnx"):
        assert (plain.path / name).read_bytes() == (judged.path / name).read_bytes(), name


def test_the_judges_never_saw_the_rows_they_read(recipe: Recipe, tmp_path: Path) -> None:
    run = trained(recipe, tmp_path)
    with np.load(run.path / "estimate" / "split.npz") as rows:
        assert not set(rows["train"]) & set(rows["holdout"])
        data = digits().take(range(600))
        assert data.ids[rows["holdout"]].tolist() == run.predictions("estimate").ids.tolist()
        assert len(rows["train"]) + len(rows["holdout"]) == 600


def test_a_cross_validation_of_the_same_recipe_and_data_serves(recipe: Recipe, tmp_path: Path) -> None:
    data = digits().take(range(600))
    how = {"executor": "local", "progress": False}
    other = tenfold.cross_validate(recipe, folds=2, train=data.take(range(500)), out=tmp_path, **how)  # type: ignore[arg-type]
    folds = tenfold.cross_validate(recipe, folds=2, train=data, out=tmp_path, **how)  # type: ignore[arg-type]
    assert folds.command == other.command == "cv"
    run = trained(recipe, tmp_path)
    assert run.command == "run" and run.summary["estimate"]["source"] == folds.path.name
    assert run.summary["estimate"]["core_seconds"] == 0 and run.summary["estimate"]["n"] == 600
    assert not (run.path / "estimate").exists()
    again = tenfold.reproduce(run, out=tmp_path / "again", executor="local", progress=False)
    assert again.different == []


def test_a_labelled_test_set_is_figure_enough(recipe: Recipe, tmp_path: Path) -> None:
    data = digits()
    how = {"executor": "local", "progress": False}
    run = tenfold.run(
        recipe,
        train=data.take(range(600)),
        test=data.take(range(600, 700)),
        out=tmp_path,
        **how,  # type: ignore[arg-type]
    )
    assert run.summary["test"]["n"] == 100 and not (run.path / "estimate").exists()


def test_stopped_before_the_export_it_goes_on_to_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    whole = trained(recipe, tmp_path / "whole")
    with pytest.raises(Stopped):
        trained(recipe, tmp_path / "cut", progress=Saying("exporting the bundle"))
    (cut,) = (tmp_path / "cut").iterdir()
    listener = Saying()
    finished = tenfold.resume(cut, executor="local", progress=listener)
    assert any("estimating" in line for line in listener.lines)
    for name in ("predictions/estimate.npz", "bundle/manifest.json", "estimate/members/00/weights.safetensors"):
        assert (finished.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_too_few_images_to_hold_any_out_are_said(recipe: Recipe, tmp_path: Path) -> None:
    data = digits()
    labels = data.labels
    assert labels is not None
    few = data.take([int(np.flatnonzero(labels == k)[i]) for k in range(10) for i in range(2)])
    listener = Saying()
    small = recipe.overridden(["model.0.landmarks=5", "model.0.components=5"])
    settings = pipeline.Settings(out=tmp_path, executor="local", estimate=tmp_path)
    run = pipeline.start(
        replace_sources(small), "run", settings, listener, train=few, test=data.take(range(50)).without_labels()
    )
    assert any("too few images of each class" in line for line in listener.lines)
    assert "estimate" not in run.summary


def replace_sources(recipe: Recipe) -> Recipe:
    data = recipe.data.model_copy(update={"train": "memory:few", "test": "memory:test"})
    return recipe.model_copy(update={"data": data})
