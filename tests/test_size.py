"""The package fits into a reader's head: a budget of files and lines, and names that are found at the first guess."""

import re
from collections import Counter
from pathlib import Path

import pytest

from _sources import PACKAGE

# Ceilings: lower them whenever the package shrinks. The aim is 150 files, 27,000 lines and 100 core files.
FILES, LINES, CORE_FILES = (
    215,
    41_290,
    178,
)  # of them 560 for resizing, archives, leaks of copies, several sources, orientation
SMALL, LARGE, TWINS = 12, 4, 3
"""Files below 100 lines, files above 400, and base names that occur twice, all outside registries."""

WINGS = {"reading", "service", "plugins"}
REGISTRIES = {  # a file an entry: as long as the entry is, named as users name it
    *("api", "augmentation", "bundle/targets", "cli", "data/checks", "data/converters", "data/sources"),
    *("evaluation/corruptions", "executors", "exploration/maps", "models", "models/layers"),
    *("plugins", "report/sections", "tracking", "training/optimisers"),
}


def shipped(folder: Path = PACKAGE) -> dict[str, list[str]]:
    """Path below the package -> lines, of every Python file."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8").splitlines()
        for path in sorted(folder.rglob("*.py"))
    }


def outside_registries(files: dict[str, list[str]]) -> dict[str, int]:
    """Path -> number of lines, of files with a name of their own."""
    return {
        path: len(lines)
        for path, lines in files.items()
        if str(Path(path).parent.as_posix()) not in REGISTRIES and Path(path).stem not in ("__init__", "__main__")
    }


def twins(paths: dict[str, int]) -> list[str]:
    """Base names that occur more than once."""
    return [name for name, times in Counter(Path(path).name for path in paths).items() if times > 1]


def test_the_package_stays_within_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    files = shipped()
    core = [path for path in files if path.split("/")[0] not in WINGS]
    lines = sum(map(len, files.values()))
    with capsys.disabled():
        print(f"\n{len(files)} files, {lines:,} lines, {len(core)} core files")
    assert len(files) <= FILES, f"merge small files: {len(files)} of at most {FILES}"
    assert lines <= LINES, f"say things once: {lines:,} lines of at most {LINES:,}"
    assert len(core) <= CORE_FILES


def test_a_file_has_100_to_400_lines_unless_it_is_an_entry_of_a_registry() -> None:
    sizes = outside_registries(shipped())
    small = {path: size for path, size in sizes.items() if size < 100}
    large = {path: size for path, size in sizes.items() if size > 400}
    assert len(small) <= SMALL, small
    assert len(large) <= LARGE, large


def test_no_base_name_occurs_twice_outside_registries() -> None:
    found = twins(outside_registries(shipped()))
    assert len(found) <= TWINS, found


def test_no_line_has_more_than_120_columns() -> None:
    marks = re.compile(r"  # (type: ignore|noqa|pragma).*$")  # for machines, not for readers
    files = shipped().items()
    assert [f"{path}:{i}" for path, lines in files for i, t in enumerate(lines, 1) if len(marks.sub("", t)) > 120] == []


def test_the_counts_see_twins_small_files_and_entries(tmp_path: Path) -> None:
    for name in ("a/page.py", "b/page.py", "cli/page.py", "a/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n" * 7)
    sizes = outside_registries(shipped(tmp_path))
    assert sizes == {"a/page.py": 7, "b/page.py": 7}
    assert twins(sizes) == ["page.py"]


SPINE_FILES, SPINE_LINES = 14, 2_500


def test_the_spine_is_read_in_an_hour() -> None:
    page = (PACKAGE.parents[1] / "docs" / "reading-the-code.md").read_text("utf-8")
    steps = re.findall(r"^### (\d+)\. `([\w/]+\.py)`: .+$", page, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    assert len(steps) <= SPINE_FILES
    assert sum(len((PACKAGE / path).read_text("utf-8").splitlines()) for _, path in steps) <= SPINE_LINES
    for changed in ("an option", "an augmentation", "a layer", "a check", "a section"):
        assert f"**To add {changed}**" in page
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", page)) | {path for _, path in steps}
    assert [path for path in named if not (PACKAGE / path).is_file()] == []
    order = [path for _, path in steps]
    assert order[0] == "api/train.py"
    assert order.index("bundle/submission.py") < order.index("report/page.py")
