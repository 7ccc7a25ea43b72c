"""Several sources read as one: own digits beside MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from _command_line import tenfold as command
from _digits import digits
from tenfold.data.checks import check
from tenfold.data.joined import parts_of, title_of
from tenfold.errors import DataError, UsageError

DATA = digits()


def npz(path: Path, rows: slice) -> Path:
    assert DATA.labels is not None
    np.savez(path, images=DATA.images[rows], labels=DATA.labels[rows])
    return path


def folder(path: Path, rows: range, names: str = "0123456789") -> Path:
    assert DATA.labels is not None
    for row in rows:
        place = path / names[DATA.labels[row]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DATA.images[row, 0]).save(place / f"{row}.png")
    return path


def test_images_labels_and_ids_of_all_parts_one_after_the_other(tmp_path: Path) -> None:
    a, b = npz(tmp_path / "a.npz", slice(0, 50)), folder(tmp_path / "mine", range(50, 80))
    data = tenfold.load(f"{a} + {b}")
    assert len(data) == 80 and data.labels is not None and DATA.labels is not None
    np.testing.assert_array_equal(data.images[:50], DATA.images[:50])
    np.testing.assert_array_equal(np.sort(data.labels[50:]), np.sort(DATA.labels[50:80]))
    assert data.ids[0] == "a.npz/1" and data.ids[50].startswith("mine/0/")
    assert len(set(data.ids)) == 80
    assert data.notes[:2] == ("50 images of a.npz", "30 images of mine")
    assert [Path(origin.path).name for origin in data.origin] == ["a.npz", "mine"]


def test_parts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        (tmp_path / place).mkdir()
    data = tenfold.load(
        f"{npz(tmp_path / 'x' / 'a.npz', slice(0, 20))} + {npz(tmp_path / 'y' / 'a.npz', slice(20, 40))}"
    )
    assert (data.ids[0], data.ids[20]) == ("a.npz-1/1", "a.npz-2/1")


def test_classes_are_those_of_all_parts(tmp_path: Path) -> None:
    words = folder(tmp_path / "words", range(80), "abcdefghij")
    more = folder(tmp_path / "more", range(80, 180), "klmnopqrst")
    data = tenfold.load(f"{words} + {more}")
    assert data.class_names == tuple("abcdefghijklmnopqrst") and data.labels is not None
    assert {data.class_names[label] for label in data.labels[80:]} <= set("klmnopqrst")
    with_digits = tenfold.load(f"{npz(tmp_path / 'a.npz', slice(0, 50))} + {folder(tmp_path / 'few', range(50, 70))}")
    assert with_digits.class_names == tuple("0123456789")


def test_a_path_of_that_name_is_one_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    npz(tmp_path / "a + b.npz", slice(0, 30))
    assert parts_of("a + b.npz") == ["a + b.npz"] and len(tenfold.load("a + b.npz")) == 30
    assert title_of("data/x.csv + mnist") == "x.csv + mnist"


def test_shapes_that_differ_name_the_option_that_mends_it(tmp_path: Path) -> None:
    a, b = npz(tmp_path / "a.npz", slice(0, 50)), tmp_path / "b.npz"
    assert DATA.labels is not None
    np.savez(b, images=np.repeat(DATA.images[:20], 2, axis=2), labels=DATA.labels[:20])
    with pytest.raises(DataError, match=r"b\.npz: found images of 1x16x8, expected 1x8x8.*--resize 8x8"):
        tenfold.load(f"{a} + {b}")
    assert len(tenfold.load(f"{a} + {b}", "train", tenfold.ReadOptions(resize=(8, 8)))) == 70


def test_labels_in_a_part_only_are_refused(tmp_path: Path) -> None:
    a, b = npz(tmp_path / "a.npz", slice(0, 50)), tmp_path / "b.npz"
    np.savez(b, images=DATA.images[:20])
    with pytest.raises(DataError, match="labels in a part of the sources only"):
        tenfold.load(f"{a} + {b}", "test")


def test_copies_across_the_parts_are_found(tmp_path: Path) -> None:
    a, b = npz(tmp_path / "a.npz", slice(0, 50)), npz(tmp_path / "b.npz", slice(40, 60))
    found = {finding.name: finding for finding in check(tenfold.load(f"{a} + {b}"))}["duplicates"]
    assert found.count == 10
    assert ("a.npz/41", "b.npz/1") in found.ids


@pytest.mark.parametrize("how", ["option twice", "list", "datasets"])
def test_a_run_of_several_sources_records_and_finds_them_again(how: str, tmp_path: Path) -> None:
    a, b = npz(tmp_path / "a.npz", slice(0, 100)), folder(tmp_path / "mine", range(100, 160))
    overrides = ["data.validation=0.2", "model.kind=linear"]
    if how == "option twice":
        words = [word for override in overrides for word in ("--set", override)]
        done = command("run", "linear", "--train", a, "--train", b, "--out", tmp_path / "runs", *words)
        assert done.code == 0, done.err
        assert "160 labelled images" in done.err + done.out and "60 images of mine" in done.err + done.out
        (path,) = (tmp_path / "runs").iterdir()
        run = tenfold.Run(path)
    else:
        sources = [str(a), b] if how == "list" else [tenfold.load(a), str(b)]
        run = tenfold.train("linear", train=sources, overrides=overrides, out=tmp_path / "runs", progress=False)
    assert run.data["train"]["images"] == 160
    if how != "datasets":
        assert run.recipe.data.train == f"{a} + {b}"
        assert run.read_json("bundle/manifest.json")["trained_on"] == "a.npz + mine"
    assert tenfold.reproduce(run, out=tmp_path / "again", progress=False).different == []


def test_a_source_twice_is_refused(tmp_path: Path) -> None:
    a = npz(tmp_path / "a.npz", slice(0, 100))
    done = command("run", "linear", "--train", a, "--train", a, "--out", tmp_path / "runs")
    assert (done.code, "is named twice" in done.err) == (2, True)
    with pytest.raises(UsageError, match="named twice"):
        tenfold.train("linear", train=[a, a], out=tmp_path / "runs")
