"""G03: random changes to valid inputs are read or refused; what once was neither stays so."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import CORPUS, TARGETS, finding, inputs

FINDINGS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", TARGETS)
def test_g03_random_changes_are_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    valid = target.seeds()
    for number, content in enumerate(itertools.islice(inputs(target, seed=1), 200)):
        why = finding(target, content)
        assert why is None, (number, content[:200], why)
    assert len(valid) >= 1


@pytest.mark.parametrize("name", TARGETS)
def test_g03_the_examples_are_valid(name: str, tmp_path: Path) -> None:
    """Else the changes begin from what is refused anyway."""
    for number, content in enumerate(TARGETS[name].seeds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        if (name, number) not in {("idx", 1), ("body", 3)}:  # labels alone; a picture that is cut off
            TARGETS[name].read(content, folder)


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_g03_what_was_found_once_is_found_no_more(path: Path) -> None:
    assert finding(TARGETS[path.parent.name], path.read_bytes()) is None


def test_g03_a_finding_is_one() -> None:
    def read(content: bytes, folder: Path) -> None:
        raise ZeroDivisionError

    why = finding(type(TARGETS["csv"])(lambda: [b"x"], read), b"x")
    assert why is not None and "ZeroDivisionError" in why


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_g03_a_minute_of_random_changes(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py")), name, "--seconds", "60", "--seed", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
