"""``latest`` stands for a run wherever one is named."""

import os
from pathlib import Path

import pytest

from tenfold.api.shared import place_of
from tenfold.errors import UsageError


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three run directories, made in this order: old, middle, new; the last is not complete."""
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("old", "middle", "new")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text("")
        if name != "new":
            (folder / "manifest.json").write_text("{}")
        os.utime(folder, (age, age))
    return tmp_path / "runs"


def test_latest_is_the_newest_complete_run(runs: Path) -> None:
    assert place_of("latest") == Path("runs/middle")
    assert place_of("latest", complete=False) == Path("runs/new")


def test_one_counts_back_from_it_and_names_files_in_it(runs: Path) -> None:
    assert place_of("latest~1") == Path("runs/old")
    assert place_of("latest/submission.csv") == Path("runs/middle/submission.csv")
    assert place_of(Path("latest~1/bundle")) == Path("runs/old/bundle")


@pytest.mark.parametrize("name", ["later", "latest~", "latest~x", "latest-1", "latests", "runs/latest"])
def test_other_names_are_paths(runs: Path, name: str) -> None:
    assert place_of(name) == Path(name)


def test_a_file_of_that_name_is_meant_itself(runs: Path) -> None:
    Path("latest").mkdir()
    assert place_of("latest") == Path("latest")


def test_fewer_runs_than_asked_for_are_counted(runs: Path) -> None:
    with pytest.raises(UsageError, match="latest~2: the folder runs has 2 such runs"):
        place_of("latest~2")
