"""A command that is not documented, or documented otherwise than it is, is a red build."""

import re
import subprocess
import sys
from pathlib import Path

import typer

from tenfold.cli import build_app

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "commands.md"


def names(group: object, words: str = "tenfold") -> list[str]:
    """``tenfold data``, ``tenfold data fetch`` and so on, from the application itself."""
    found = []
    for name, command in getattr(group, "commands", {}).items():
        found += [f"{words} {name}", *names(command, f"{words} {name}")]
    return found


def test_every_command_and_subcommand_has_its_section() -> None:
    headings = set(re.findall(r"^#+ (tenfold .*)$", PAGE.read_text("utf-8"), re.MULTILINE))
    assert headings == set(names(typer.main.get_command(build_app())))


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    top = [name for name in names(typer.main.get_command(build_app())) if name.count(" ") == 1]
    assert [name for name in top if name not in readme] == []


def test_the_generated_pages_are_current() -> None:
    """When this fails, run ``make docs``: a help text changed, or a test got the id of a case."""
    check = [sys.executable, ROOT / "docs" / "generate.py", "--check", "commands.md", "reliability.md"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_commands_that_the_readme_shows_exist() -> None:
    known = set(names(typer.main.get_command(build_app())))
    groups = {name for name in known if any(other.startswith(f"{name} ") for other in known)}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for line in re.findall(r"^\$? ?(tenfold [a-z].*)$", page.read_text("utf-8"), re.MULTILINE):
            words = line.split()
            shown = " ".join(words[: 3 if " ".join(words[:2]) in groups else 2])
            assert shown in known or "--help" in line, f"{page.name}: {line}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / ".ci" / "run"]:
        named = set(re.findall(r"`?\bmake ([a-z]+(?:-[a-z]+)*)`", page.read_text("utf-8")))
        assert named <= targets, page.name
