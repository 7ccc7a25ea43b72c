"""The public names are a promise: adding or removing one is a decision, made here."""

import subprocess
import sys

import pytest

import tenfold

PUBLIC = [
    "Bundle",
    "Classifier",
    "Dataset",
    "Predictions",
    "ReadOptions",
    "Reader",
    "Recipe",
    "Run",
    "__version__",
    "ask",
    "augment",
    "bench",
    "check_data",
    "check_submission",
    "compare",
    "convert",
    "cross_validate",
    "doctor",
    "evaluate",
    "explain",
    "explore",
    "export",
    "fetch",
    "import_log",
    "load",
    "load_recipe",
    "page",
    "predict",
    "read",
    "read_pictures",
    "recipes",
    "reproduce",
    "resume",
    "review_labels",
    "run",
    "runs",
    "serve",
    "study",
    "submit",
    "teach",
    "train",
    "tune",
    "verify",
]


def test_the_public_names_are_these() -> None:
    assert sorted(tenfold.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_there_for_a_program_that_imports_nothing_else(name: str) -> None:
    code = f"import tenfold; value = tenfold.{name}; assert value is tenfold.{name}; assert {name!r} in dir(tenfold)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("__")])
def test_each_says_what_it_is(name: str) -> None:
    assert getattr(tenfold, name).__doc__


def test_other_names_are_errors_that_name_them() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tenfold.no_such_name
