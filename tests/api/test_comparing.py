"""Runs, files and patterns as the two sides of a comparison, from Python and from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

import tenfold as library
from _command_line import tenfold
from _report_runs import RunMaker, digits, predict
from tenfold.api.compare import compare
from tenfold.errors import UsageError
from tenfold.values.run import Run

DATA = digits(300)


@pytest.fixture
def made(tmp_path: Path) -> RunMaker:
    return RunMaker(tmp_path)


def wrong(rows: range) -> dict[int, int]:
    return {row: (int(DATA.labels[row]) + 1) % 10 for row in rows}


def pair(made: RunMaker) -> tuple[Run, Run]:
    return made({"test": predict(DATA, wrong(range(3)))}), made({"test": predict(DATA, wrong(range(2, 40)))})


def test_it_is_public_and_takes_runs_paths_files_and_predictions(made: RunMaker) -> None:
    a, b = pair(made)
    assert library.compare is compare
    ways = [
        (a, b),
        (str(a.path), b.path),
        (a.path / "predictions" / "test.npz", b),
        (a.predictions("test"), b.predictions("test")),
    ]
    for one, other in ways:
        assert (compare(one, other).only_a, compare(one, other).only_b) == (37, 2)


def test_the_rows_held_out_are_compared_where_the_test_set_has_no_labels(made: RunMaker) -> None:
    unlabelled = predict(DATA, {})
    unlabelled = type(unlabelled)(unlabelled.ids, unlabelled.probabilities, None)
    a, b = (made({"test": unlabelled, "validation": predict(DATA, wrong(range(n)))}) for n in (1, 5))
    assert compare(a, b).only_a == 4
    with pytest.raises(UsageError, match="neither has labels"):
        compare(a, b, on="test")


def test_patterns_are_the_seeds_of_a_recipe(made: RunMaker, tmp_path: Path) -> None:
    strong = [made({"test": predict(DATA, wrong(range(n)))}) for n in (1, 2, 3)]
    for place, run in enumerate(strong):
        run.path.rename(tmp_path / f"strong-{place}")
    for place, n in enumerate((40, 41, 42)):
        made({"test": predict(DATA, wrong(range(n)))}).path.rename(tmp_path / f"weak-{place}")
    done = tenfold("compare", f"{tmp_path}/strong-*", f"{tmp_path}/weak-*")
    assert done.code == 0
    assert "A  99.33% ± 0.33%, 3 seeds  strong-0 ..." in done.out
    assert "verdict         A better, p < 0.001" in done.out
    found = json.loads(tenfold("compare", f"{tmp_path}/strong-*", f"{tmp_path}/weak-*", "--json").out)
    assert found["b"]["names"] == ["weak-0", "weak-1", "weak-2"]


def test_the_same_ids_in_other_data_are_refused(made: RunMaker) -> None:
    a, b = pair(made)
    for run, print_ in ((a, "1111"), (b, "2222")):
        (run.path / "data.json").write_text(json.dumps({"test": {"fingerprint": print_}}))
    with pytest.raises(UsageError, match=r"predicted different test images: .* 1111 and 2222"):
        compare(a, b)


def test_what_is_not_there_is_said(made: RunMaker, tmp_path: Path) -> None:
    a, b = pair(made)
    done = tenfold("compare", tmp_path / "nowhere", b.path)
    assert done.code == 2
    assert "nowhere is neither a run, nor a .npz file of predictions, nor a pattern" in done.err
    assert "has no validation predictions" in tenfold("compare", a.path, b.path, "--on", "validation").err
    assert "expected test or validation" in tenfold("compare", a.path, b.path, "--on", "train").err


def test_the_command_says_it_in_words(made: RunMaker) -> None:
    a, b = pair(made)
    done = tenfold("compare", a.path, b.path)
    assert done.code == 0
    assert "A  99.00% [97.10%, 99.66%]  3 errors" in done.out
    assert "300 images: both right 260, only A 37, only B 2, both wrong 1" in done.out
    assert "they differ on  1, 2, 4, 5, 6, 7, 8, 9, 10, 11 and 29 more" in done.out
    assert done.out.endswith("verdict         A better, p < 0.001\n")
    found = json.loads(tenfold("compare", a.path, b.path, "--json").out)
    assert (found["only_a"], found["verdict"], len(found["differing_ids"])) == (37, "A better, p < 0.001", 39)


def test_the_page_is_written_once(made: RunMaker, tmp_path: Path) -> None:
    a, b = pair(made)
    page = tmp_path / "compare.html"
    assert tenfold("compare", a.path, b.path, "--out", page).out.endswith(f"{page}\n")
    assert "The images are not at hand" in page.read_text()
    again = tenfold("compare", a.path, b.path, "--out", page)
    assert (again.code, "exists; pass --force" in again.err) == (2, True)
    assert tenfold("compare", a.path, b.path, "--out", page, "--force").code == 0


def test_the_images_are_found_where_the_run_found_them(made: RunMaker, tmp_path: Path) -> None:
    source = tmp_path / "digits.npz"
    np.savez(source, images=DATA.images[:, 0], labels=DATA.labels)
    data = library.load(source, "test")
    rows = {"test": predict(data, {3: 1, 4: 2})}, {"test": predict(data, {5: 0})}
    runs = [made(predictions) for predictions in rows]
    for run in runs:
        (run.path / "recipe.toml").write_text(run.recipe.overridden([f"data.test={source}"]).to_toml())
        (run.path / "data.json").write_text(json.dumps({"test": {"fingerprint": data.fingerprint()}}))
    page = tmp_path / "page.html"
    compare(runs[0].path, runs[1].path, out=page)
    assert "not at hand" not in page.read_text()
    assert page.read_text().count('class="px differ') == 3
