"""A run remembers how its sources were read, and reads them so again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import tenfold
from tenfold import pipeline
from tenfold.api.shared import images_of
from tenfold.data import ReadOptions
from tenfold.errors import IntegrityError, UsageError
from tenfold.pipeline import Settings, cross_validation, reproduce
from tenfold.values.recipe import Recipe, parse_recipe
from tenfold.values.run import Run

OPTIONS = ReadOptions(scale=16, label_column="answer", class_names=tuple("0123456789"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A linear model of a table whose values end at 16 and whose labels are in the column "answer"."""
    pixels, labels = load_digits(return_X_y=True)
    names = ",".join(["answer", *(f"pixel{i}" for i in range(64))])
    rows = np.column_stack([labels, pixels])[:300]
    np.savetxt(tmp_path / "odd.csv", rows, "%d", ",", header=names, comments="")
    text = f'name = "odd"\n[data]\ntrain = "{tmp_path / "odd.csv"}"\nvalidation = 0.2\n[model]\nkind = "linear"\n'
    return parse_recipe(text)


def here(tmp_path: Path, options: ReadOptions = OPTIONS) -> Settings:
    return Settings(tmp_path / "runs", options, executor="local")


def test_its_images_are_read_again_as_they_were(tmp_path: Path, recipe: Recipe) -> None:
    run = pipeline.start(recipe, "run", here(tmp_path))
    assert run.data["options"] == {"scale": 16, "label_column": "answer", "class_names": list("0123456789")}
    held = images_of(run, "validation")
    assert (len(held), int(held.images.max())) == (60, 255)
    assert reproduce(run, here(tmp_path, ReadOptions())).different == []


@pytest.mark.parametrize("kind", ["run", "cv"])
def test_it_goes_on_without_being_told_again(tmp_path: Path, recipe: Recipe, kind: str) -> None:
    if kind == "run":
        run, go_on = pipeline.start(recipe, "train", here(tmp_path)), pipeline.resume
    else:
        run, go_on = cross_validation.cross_validate(recipe, 2, here(tmp_path)), cross_validation.resume
    (run.path / "manifest.json").unlink()
    settings = here(tmp_path, ReadOptions(max_input_bytes=10**8))
    done = go_on(run, settings=settings)
    assert done.is_complete


def test_a_run_with_the_usual_options_records_none(tmp_path: Path, recipe: Recipe) -> None:
    usual = tmp_path / "usual.csv"
    usual.write_text((tmp_path / "odd.csv").read_text().replace("answer", "label", 1))
    data = recipe.data.model_copy(update={"train": str(usual)})
    run = pipeline.start(recipe.model_copy(update={"data": data}), "train", here(tmp_path, ReadOptions()))
    assert "options" not in run.data


def test_a_damaged_record_is_named(tmp_path: Path, recipe: Recipe) -> None:
    run = pipeline.start(recipe, "train", here(tmp_path))
    for damaged in ({"scale": -1}, {"colour": "red"}, ["scale"]):
        (run.path / "data.json").write_text(json.dumps(run.data | {"options": damaged}))
        with pytest.raises(IntegrityError, match=r"data\.json: found damaged reading options"):
            images_of(Run(run.path), "validation")


NAMES = tuple(f"class {letter}" for letter in "abcdefghij")


def named(recipe: Recipe) -> Recipe:
    """The recipe with names of its classes, in the way that a file has them."""
    return parse_recipe(recipe.to_toml(), [f"data.class_names={json.dumps(NAMES)}"])


def test_a_recipe_names_the_classes(tmp_path: Path, recipe: Recipe) -> None:
    settings = here(tmp_path, ReadOptions(scale=16, label_column="answer"))
    assert named(recipe).key() == recipe.key(), "data are known by their fingerprint, which has the names"
    assert "class_names" not in recipe.to_toml()
    run = pipeline.start(named(recipe), "run", settings)
    assert tenfold.Bundle.open(run.path).class_names == NAMES
    assert images_of(run, "validation").class_names == NAMES
    assert reproduce(run, here(tmp_path, ReadOptions())).different == []
    options = replace(settings.options, class_names=tuple("klmnopqrst"))
    other = pipeline.start(named(recipe), "train", replace(settings, options=options))
    assert tenfold.Bundle.open(other.path).class_names == tuple("klmnopqrst"), "the option is nearer"


@pytest.mark.parametrize("names", [["a", "a"], ["a", ""], ["a", "b/.."]])
def test_names_that_cannot_be_classes_are_refused(names: list[str], recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="class_names"):
        parse_recipe(recipe.to_toml(), [f"data.class_names={json.dumps(names)}"])


def test_what_is_in_memory_is_read_by_the_options_too(tmp_path: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    wide = (images[:200].reshape(-1, 8, 8) * 4000).astype(np.uint16)
    options = ReadOptions(scale=64_000, class_names=NAMES)
    overrides = ["model.kind=linear", "data.validation=0.2"]
    run = tenfold.train(
        "linear", train=(wide, labels[:200]), options=options, overrides=overrides, out=tmp_path, progress=False
    )
    bundle = tenfold.Bundle.open(run.path)
    assert bundle.class_names == NAMES
    assert 60 < bundle.manifest.pixel_mean < 100, "of 0..255"
