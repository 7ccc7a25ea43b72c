"""What ``make`` promises: targets that say what they do, and versions that are pinned, all of them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(name: str, seen: set[str]) -> set[str]:
    """``seen`` and the names of all distributions that ``name``, without its extras, pulls in here, itself included."""
    if normal(name) not in seen and installed(name):
        seen.add(normal(name))
        for requirement in metadata.requires(name) or []:
            if "extra ==" not in requirement:
                needs(re.match(r"[\w.-]+", requirement)[0], seen)  # type: ignore[index]
    return seen


def needed() -> set[str]:
    """All distributions that tenfold and its extras pull in here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = sum(project["optional-dependencies"].values(), project["dependencies"])
    declared = [one for one in declared if not one.startswith("tenfold[")]  # the extra of all extras
    seen: set[str] = set()
    for requirement in declared:
        needs(re.match(r"[\w.-]+", requirement)[0], seen)  # type: ignore[index]
    return seen


def installed(name: str) -> bool:
    return bool(list(metadata.distributions(name=name)))


def test_g05_everything_that_is_installed_for_us_is_pinned() -> None:
    assert needed() - {normal(name) for name in PINS} == set()


def test_g05_pins_are_what_the_tests_run_with() -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("not in a virtual environment: other versions may be meant")
    versions = {name: metadata.version(name).split("+")[0] for name in PINS if installed(name)}
    assert versions == {name: PINS[name] for name in versions}


def test_g05_the_lock_holds_hashes_of_everything_and_the_versions_of_the_pins() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.findall(
        r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)[^\\\n]*((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", lock, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^\S", lock, re.MULTILINE)) > 150  # nothing without a hash
    pins = {normal(name): version for name, version in PINS.items()}
    locked = {normal(name): version for name, version, _ in entries}
    assert {name: version for name, version in locked.items() if pins.get(name, version) != version} == {}
    assert needed() - locked.keys() == set()


def test_torch_is_a_range_for_others_and_exact_for_us() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "torch>=2.9" in extras["train"]  # Colab and Kaggle keep theirs; other bits are said
    assert "+" not in PINS["torch"]


def test_no_address_of_a_package_index_is_written_down() -> None:
    for name in ("Makefile", "constraints.txt", "requirements.lock", "pyproject.toml", ".ci/run"):
        assert "://" not in (ROOT / name).read_text(), name


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Makefile and what it reads, alone in a folder."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_help_is_the_default_and_lists_every_target(copy: Path) -> None:
    done = make(copy)
    assert done.stdout == make(copy, "help").stdout
    for target in ("setup", "run", "test", "test-all", "lint", "clean"):
        assert re.search(rf"^  make {target} +\w", done.stdout, re.MULTILINE)


def test_a_python_that_is_too_old_is_told_so(copy: Path) -> None:
    old = copy / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.4 && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make(copy, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout
    assert "Python 3.10.4" in done.stdout
    assert not (copy / ".venv").exists()


def test_a_python_that_does_not_run_is_passed_over(copy: Path) -> None:
    """Version managers leave commands that only say that the version is not chosen."""
    shims, chosen = (
        copy / "shims",
        '#!/bin/sh\ncase "$*" in *version_info*) exit 0;; *) echo chosen "$@"; exit 1;; esac\n',
    )
    shims.mkdir()
    for name, script in {"python3.13": "#!/bin/sh\necho not chosen >&2; exit 127\n", "python3.12": chosen}.items():
        (shims / name).write_text(script)
        (shims / name).chmod(0o755)
    done = subprocess.run(
        ["make", "setup"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{shims}:{os.environ['PATH']}"},
    )
    assert "chosen -m venv .venv" in done.stdout


def test_no_python_at_all_is_told_so(copy: Path) -> None:
    done = make(copy, "setup", "PYTHON=")
    assert done.returncode != 0
    assert "none was found" in done.stdout


def test_set_up_is_done_once_and_again_when_versions_change(copy: Path) -> None:
    (copy / ".venv").mkdir()
    (copy / ".venv" / "installed").touch()
    assert make(copy, "--question", ".venv/installed").returncode == 0
    stamp = (copy / ".venv" / "installed").stat().st_mtime
    for name in ("constraints.txt", "pyproject.toml"):
        os.utime(copy / name, (stamp + 10, stamp + 10))
        assert make(copy, "--question", ".venv/installed").returncode == 1
        os.utime(copy / name, (stamp - 10, stamp - 10))
