"""Which case each test is about: ids such as K05 in the names of tests and of their parameters."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
LETTERS = "CIFSMHVKRLDG"
_IN_FUNCTION = re.compile(rf"(?<=_)([{LETTERS.lower()}]\d\d)(?=_|$)")
_IN_TEXT = re.compile(rf"([{LETTERS}]\d\d)(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Group:
    """The cases of one letter: ``sentences`` by id."""

    title: str
    sentences: dict[str, str]


@cache
def groups() -> dict[str, Group]:
    """Every group of tests/cases.toml by its letter."""
    tables = _tables()
    return {
        letter: Group(tables[letter]["title"], {k: v for k, v in tables[letter].items() if k != "title"})
        for letter in LETTERS
    }


@cache
def untested() -> dict[str, str]:
    """Why a case has no test, by id."""
    return _tables().get("untested", {})


@cache
def _tables() -> dict[str, dict[str, str]]:
    return tomllib.loads((TESTS / "cases.toml").read_text("utf-8"))


def known() -> set[str]:
    """Every case id there is."""
    return {case for group in groups().values() for case in group.sentences}


def ids_of(node: str) -> list[str]:
    """The cases that a pytest node id names: ``test_csv.py::test_c05_x[C14 256]`` is about C05 and C14."""
    name, _, parameters = node.rpartition("::")[2].partition("[")
    found = [text.upper() for text in _IN_FUNCTION.findall(name)]
    return sorted({*found, *_IN_TEXT.findall(parameters)} & known())


def ids_in(text: str) -> list[str]:
    """The cases that a text names; ``K05-K07`` is all three."""
    found = set(_IN_TEXT.findall(text))
    for letter, first, last in re.findall(rf"\b([{LETTERS}])(\d\d)-\1(\d\d)\b", text):
        found |= {f"{letter}{number:02d}" for number in range(int(first), int(last) + 1)}
    return sorted(found)


@cache
def tested_in() -> dict[str, list[str]]:
    """Case id -> the test files (with ``/``, below tests/) that have a test of it, read off their source."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for case in _ids_of_source(ast.parse(path.read_text("utf-8"))):
            found.setdefault(case, set()).add(path.relative_to(TESTS).as_posix())
    return {case: sorted(files) for case, files in found.items() if case in known()}


def _ids_of_source(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield from (text.upper() for text in _IN_FUNCTION.findall(node.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := _IN_TEXT.match(node.value)):
            yield match[1]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("_bad_"):  # a table of cases
            yield from _ids_of_source(ast.parse((TESTS / f"{node.module}.py").read_text("utf-8")))
