"""G06 and G08: what we promise, and what we say against each threat, names its tests; and the table of cases is
right.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import _cases
from _case_table import ranges

ROOT = Path(__file__).parents[1]
PROMISES = {"README.md": "What it promises", "SECURITY.md": "What holds"}


def bullets(page: str, heading: str) -> list[str]:
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert section, f"{page} has no section {heading!r}"
    return [" ".join(bullet.split()) for bullet in re.split(r"^\* ", section[1], flags=re.MULTILINE)[1:]]


def unheld(text: str) -> list[str]:
    """Cases that ``text`` names and no test has; all of nothing if it names none."""
    named = _cases.ids_in(text)
    return sorted(set(named) - _cases.tested_in().keys()) if named else ["no case is named"]


@pytest.mark.parametrize("page", PROMISES)
def test_g08_every_promise_has_its_tests(page: str) -> None:
    found = bullets(page, PROMISES[page])
    assert len(found) >= 5
    assert {promise: missing for promise in found if (missing := unheld(promise))} == {}


def test_g06_every_threat_has_its_tests() -> None:
    text = (ROOT / "docs" / "threats.md").read_text("utf-8")
    tables = re.findall(r"^\| threat \|.*\n\|.*\n((?:\|.*\n?)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in re.findall(r"^\| (.*) \|$", table, re.MULTILINE)]
    assert len(rows) >= 15
    assert {row: missing for row in rows if (missing := unheld(row))} == {}
    assert len(re.findall(r"^## (Spoof|Tamper|Repud|Information|Denial|Elevation)", text, re.MULTILINE)) == 6


def test_ids_are_found_in_names_and_parameters() -> None:
    assert _cases.ids_of("tests/a/test_b.py::test_k05_k07_something[x]") == "k05 k07".upper().split()
    assert _cases.ids_of("tests/a/test_b.py::test_reads[C14 256-D05]") == "c14 d05".upper().split()
    assert _cases.ids_of("tests/test_k05.py::test_other[8C3-K99]") == []
    assert _cases.ids_in("(K05-K07, R01)") == "k05 k06 k07 r01".upper().split()
    assert ranges("c01 c02 c03 k02 k04".upper().split()) == "C01-C03 K02 K04"


def test_a_reason_for_having_no_test_is_given_only_where_there_is_none() -> None:
    assert sorted(_cases.untested().keys() & _cases.tested_in().keys()) == []
    assert sorted(_cases.untested().keys() - _cases.known()) == []


TESTS = """
import pytest
def test_k01_passes(): pass
@pytest.mark.parametrize("x", ["C14 a"])
def test_fails(x): assert False
def test_k09_skips(): pytest.skip("needs root")
"""


def test_the_table_tells_passes_failures_and_why_of_skips(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from _case_table import pytest_runtest_logreport, pytest_terminal_summary\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "-o",
        f"pythonpath={_cases.TESTS}",
    ]
    done = subprocess.run([*command, "--rootdir", tmp_path, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"passed   Crashes \(1 of 17\): K01\n", done.stdout)
    assert re.search(r"skipped  K09: needs root\n", done.stdout)
    assert re.search(r"FAILED   C14: .*test_some.py::test_fails\[C14 a\]\n", done.stdout)
    assert "not run" not in done.stdout
